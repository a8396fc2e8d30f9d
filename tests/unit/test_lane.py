from __future__ import annotations

import threading

import pytest

from worker.clock import Deadline, SystemClock
from worker.errors import ThreadDied
from worker.lane import Lane

CLOCK = SystemClock()


def test_a_lane_has_room_for_one_in_work_and_one_waiting() -> None:
    """A third item is refused until the first is done: memory stays bounded."""
    started, release = threading.Event(), threading.Event()

    def work(item: int) -> None:
        started.set()
        release.wait(5)

    lane = Lane("test", work, CLOCK)
    lane.start()

    assert lane.offer(1)
    assert started.wait(5)
    assert lane.offer(2)
    assert not lane.has_room
    assert not lane.offer(3)
    release.set()
    assert lane.stop(Deadline.after(5, CLOCK))


@pytest.mark.parametrize("end", ["is done", "dies", "is stopped"])
def test_waiting_for_a_lane_ends_as_it(end: str) -> None:
    """Whoever waits is never left behind."""
    begun, release = threading.Event(), threading.Event()

    def work(item: int) -> None:
        begun.set()
        release.wait(30)
        if end == "dies":
            raise ZeroDivisionError

    lane = Lane("test", work, CLOCK)
    lane.start()
    lane.offer(1)
    assert begun.wait(30)
    waiting = threading.Thread(target=lane.wait_until_idle, args=(3600.0,), daemon=True)
    waiting.start()

    waiting.join(0.05)
    assert waiting.is_alive()
    if end == "is stopped":
        assert not lane.stop(Deadline.after(0, CLOCK))
    else:
        release.set()
    waiting.join(30)
    assert not waiting.is_alive()
    release.set()


def test_waiting_for_a_lane_ends_as_the_time_is_up() -> None:
    """The lane works on."""
    release = threading.Event()
    lane = Lane("test", lambda _: release.wait(30), CLOCK)
    lane.start()
    lane.offer(1)

    lane.wait_until_idle(0.01)

    assert not lane.idle
    release.set()


def test_items_are_worked_on_in_order() -> None:
    """What is put first is done first."""
    done: list[int] = []
    finished = threading.Event()

    def work(item: int) -> None:
        done.append(item)
        if item == 9:
            finished.set()

    lane = Lane("test", work, CLOCK)
    lane.start()
    for item in range(10):
        lane.put(item)
    finished.wait(5)
    lane.stop(Deadline.after(5, CLOCK))

    assert done == list(range(10))


def test_a_lane_whose_work_raises_says_so() -> None:
    """A dead thread is noticed at the next check, with its cause, and takes no more work in silence."""

    started = threading.Event()

    def work(item: int) -> None:
        started.set()
        raise ZeroDivisionError

    lane = Lane("publishing", work, CLOCK)
    lane.start()
    lane.put(1)
    started.wait(5)
    lane.stop(Deadline.after(5, CLOCK))

    with pytest.raises(ThreadDied, match="publishing thread died: ZeroDivisionError") as caught:
        lane.check()
    assert isinstance(caught.value.__cause__, ZeroDivisionError)


def test_a_hung_lane_does_not_hold_up_a_stop() -> None:
    """`stop` gives up at the deadline and says that the thread still runs."""
    started, release = threading.Event(), threading.Event()

    def work(item: int) -> None:
        started.set()
        release.wait(5)

    lane = Lane("test", work, CLOCK)
    lane.start()
    lane.put(1)
    started.wait(5)

    stopped = lane.stop(Deadline.after(0.01, CLOCK))

    assert not stopped
    release.set()
