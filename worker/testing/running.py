"""Time that stands still and lanes without threads."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

from worker.clock import Deadline

Item = TypeVar("Item")


class FakeClock:
    """A clock that stands still until `advance` is called."""

    def __init__(self, *, monotonic: float = 1000.0, time: float = 1_790_000_000.0) -> None:
        self._monotonic = monotonic
        self._time = time

    def monotonic(self) -> float:
        return self._monotonic

    def time(self) -> float:
        return self._time

    def advance(self, seconds: float) -> None:
        self._monotonic += seconds
        self._time += seconds


class InlineLane(Generic[Item]):
    """A lane without a thread: whatever is handed over is worked on at once; what the work raises, the caller gets."""

    def __init__(self, name: str, work: Callable[[Item], None]) -> None:
        self.name = name
        self._work = work

    def start(self) -> None:
        """Nothing to start."""

    def offer(self, item: Item) -> bool:
        self._work(item)
        return True

    def put(self, item: Item) -> None:
        self._work(item)

    @property
    def idle(self) -> bool:
        return True

    @property
    def has_room(self) -> bool:
        return True

    def wait_until_idle(self, timeout_s: float) -> None:
        """Always is."""

    def check(self) -> None:
        """Never dies."""

    def stop(self, deadline: Deadline) -> bool:
        return True
