from __future__ import annotations

from worker.observability.health import Health
from worker.testing import FakeClock


def health(clock: FakeClock) -> Health:
    return Health(stall_timeout_s=60.0, clock=clock)


def test_a_worker_that_starts_is_alive_and_not_ready() -> None:
    """Loading a model or waiting for a broker may take longer than the stall time-out."""
    clock = FakeClock()
    starting = health(clock)
    clock.advance(3600)

    assert starting.live().ok
    assert not starting.readiness().ok
    assert starting.readiness().why == "starting"


def test_progress_keeps_it_alive() -> None:
    """Each progress starts the time-out again."""
    clock = FakeClock()
    working = health(clock)

    for _ in range(5):
        working.progress(clock.monotonic())
        clock.advance(59)

    assert working.live().ok
    assert working.idle_s == 59


def test_without_progress_it_is_neither_alive_nor_ready() -> None:
    """The answer says for how long, and which setting decides."""
    clock = FakeClock()
    stuck = health(clock)
    stuck.ready(True)
    stuck.progress(clock.monotonic())

    clock.advance(61)

    assert stuck.stalled
    assert not stuck.readiness().ok
    assert not stuck.live().ok
    assert stuck.live().why == "no progress for 61 s (server.stall_timeout_s: 60)"


def test_a_stalled_worker_can_recover() -> None:
    """A forward pass that was only long."""
    clock = FakeClock()
    slow = health(clock)
    slow.ready(True)
    slow.progress(clock.monotonic())
    clock.advance(61)

    slow.progress(clock.monotonic())

    assert slow.live().ok
    assert slow.readiness().ok


def test_readiness_can_be_taken_back_with_a_reason() -> None:
    """Draining, for example."""
    leaving = health(FakeClock())

    leaving.ready(True)
    leaving.ready(False, "draining")

    assert leaving.readiness().why == "draining"
    assert not leaving.readiness().ok
