"""The demo's worker process: how its end is told, and that nothing of it is left. A shell plays the worker."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from worker.demo import worker_process
from worker.demo.outcomes import Topics
from worker.demo.worker_process import Assignment, WorkerFailed, WorkerProcess
from worker.devbroker.choice import AddressBroker

ASSIGNMENT = Assignment(AddressBroker("127.0.0.1:1"), Topics.named("demo-test"), "builtin:ekman")
TIMEOUT_S = 10.0


@contextmanager
def worker(script: str) -> Iterator[WorkerProcess]:
    process = WorkerProcess(ASSIGNMENT, program=("sh", "-c", script))
    try:
        yield process
    finally:
        process.close()


def wait_for_its_word(process: WorkerProcess) -> list[str]:
    """What it says when it has begun."""
    deadline = time.monotonic() + TIMEOUT_S
    while not (log := process._log.read_text()).endswith("\n"):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return log.split()


def wait_for_its_end(process: WorkerProcess) -> WorkerFailed:
    deadline = time.monotonic() + TIMEOUT_S
    while time.monotonic() < deadline:
        try:
            process.check()
        except WorkerFailed as failed:
            return failed
        time.sleep(0.01)
    raise AssertionError("it did not end")


@pytest.mark.parametrize(("status", "exit_code"), [(1, 1), (2, 2), (3, 1), (0, 1)])
def test_a_worker_that_ends_by_itself_has_failed(status: int, exit_code: int) -> None:
    """Whatever it says; bad usage stays bad usage, and its last words are kept."""
    with worker(f"echo no such model >&2; exit {status}") as process:
        failed = wait_for_its_end(process)

    assert str(failed) == f"the worker ended by itself (exit {status})"
    assert failed.log.endswith("no such model")
    assert exit_code == failed.exit_code


def test_a_worker_that_was_killed_has_failed() -> None:
    """By the signal that did it."""
    with worker("kill -9 $$") as process:
        failed = wait_for_its_end(process)

    assert str(failed) == "the worker ended by itself (signal 9)"


def test_a_worker_that_does_not_listen_is_not_ready() -> None:
    """It is still loading its model."""
    with worker("exec sleep 60") as process:
        assert not process.ready()


def test_a_worker_that_drains_stops_well() -> None:
    """SIGTERM, then exit 0."""
    with worker("trap 'exit 0' TERM; echo started; while :; do sleep 0.01; done") as process:
        wait_for_its_word(process)

        process.stop()


def test_a_worker_that_does_not_drain_has_failed() -> None:
    """Ended by SIGTERM itself: what it had in hand was not finished."""
    with worker("exec sleep 60") as process, pytest.raises(WorkerFailed, match=r"after SIGTERM \(signal 15\)"):
        process.stop()


def test_a_worker_that_ignores_sigterm_is_killed_and_its_files_go(monkeypatch: pytest.MonkeyPatch) -> None:
    """After a few seconds' grace; its temporary files stood in the demo's own folder."""
    monkeypatch.setattr(worker_process, "LEAVE_TIMEOUT_S", 0.2)
    with worker("trap '' TERM; echo started $$ $TMPDIR; while :; do sleep 0.01; done") as process:
        _, pid, folder = wait_for_its_word(process)
        assert folder == str(process._log.parent)

        process.close()

    assert not Path(folder).exists()
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid), 0)
