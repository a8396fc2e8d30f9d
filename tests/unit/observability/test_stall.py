from __future__ import annotations

import threading

import pytest

from worker.observability import stall
from worker.observability.health import Health
from worker.observability.stall import StallWatch
from worker.testing import FakeClock


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stall, "LOOK_EVERY_S", 0.001)


def test_a_stalled_worker_dies() -> None:
    """After stall_timeout_s without progress the process is ended."""
    clock, died = FakeClock(), threading.Event()
    health = Health(stall_timeout_s=10, clock=clock)
    health.progress(clock.monotonic())
    clock.advance(11)

    watch = StallWatch(health, die=died.set, grace_s=0.0)
    watch.start()

    assert died.wait(5)


def test_a_worker_that_recovers_in_the_grace_lives() -> None:
    """Progress between the alarm and the end calls it off."""
    clock, died, alarmed = FakeClock(), threading.Event(), threading.Event()

    class Recovering(Health):
        @property
        def idle_s(self) -> float:
            seconds = super().idle_s
            if seconds > 10:
                self.progress(clock.monotonic())
                alarmed.set()
            return seconds

    health = Recovering(stall_timeout_s=10, clock=clock)
    health.progress(clock.monotonic())
    clock.advance(11)
    watch = StallWatch(health, die=died.set, grace_s=0.001)
    watch.start()

    assert alarmed.wait(5)
    assert not died.wait(0.05)
    watch.stop()
