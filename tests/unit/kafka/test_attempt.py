from __future__ import annotations

import threading

import pytest

from worker.kafka.attempt import Abandoned, Attempt

LONG_S = 30.0
AT_ONCE_S = 0.0


def test_work_that_ends_is_in_time() -> None:
    """Nothing is wrong then, and what it adopted stays with the attempt."""
    attempt = Attempt(lambda running: running.adopt("producer"), producer=None)

    in_time = attempt.run(LONG_S)

    assert in_time
    assert attempt.error is None
    assert attempt.producer == "producer"


def test_what_the_work_raises_is_kept() -> None:
    """In time, with the error for the caller to judge."""

    def work(_: Attempt) -> None:
        raise ValueError("no")

    attempt = Attempt(work, producer=None)

    assert attempt.run(LONG_S)
    assert isinstance(attempt.error, ValueError)


@pytest.mark.parametrize("step", ["go_on", "begin_commit"])
def test_a_step_that_takes_too_long_ends_the_attempt_before_its_deadline(step: str) -> None:
    """A dead call is not waited for until the whole deadline is over; it never gets to the next step."""
    released = threading.Event()
    refused = threading.Event()

    def work(running: Attempt) -> None:
        getattr(running, step)(within_s=AT_ONCE_S)
        released.wait(LONG_S)
        try:
            running.begin_commit(within_s=LONG_S)
        except Abandoned:
            refused.set()
            raise

    attempt = Attempt(work, producer=None)

    in_time = attempt.run(LONG_S)
    released.set()

    assert not in_time
    assert refused.wait(LONG_S)
    assert attempt.committing == (step == "begin_commit")


def test_steps_cannot_stretch_the_deadline() -> None:
    """However long a step may take, the attempt as a whole has one deadline."""
    released = threading.Event()

    def work(running: Attempt) -> None:
        running.go_on(within_s=LONG_S)
        released.wait(LONG_S)

    attempt = Attempt(work, producer=None)

    assert not attempt.run(0.05)
    released.set()
