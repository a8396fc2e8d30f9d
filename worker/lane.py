"""A lane: one supervised thread that works on items one at a time, in order, with room for one more to wait.

The pump hands waves over to lanes; that the room is bounded is what bounds memory. A lane whose work raises is dead
and says so: nobody hands over to a thread that has silently gone.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

from worker.clock import Clock, Deadline
from worker.errors import ThreadDied

Item = TypeVar("Item")
Handed = TypeVar("Handed", contravariant=True)


class Handover(Protocol[Handed]):
    """What the pump needs of a lane; `worker.testing.InlineLane` does the work in the caller's thread instead."""

    def offer(self, item: Handed) -> bool: ...
    def put(self, item: Handed) -> None: ...
    @property
    def idle(self) -> bool: ...
    @property
    def has_room(self) -> bool: ...
    def wait_until_idle(self, timeout_s: float) -> None: ...
    def check(self) -> None: ...
    def start(self) -> None: ...
    def stop(self, deadline: Deadline) -> bool: ...


class Lane(Generic[Item]):
    """One thread, one item in work, `waiting` more in line."""

    def __init__(self, name: str, work: Callable[[Item], None], clock: Clock, *, waiting: int = 1) -> None:
        self._name = name
        self._work = work
        self._clock = clock
        self._room = waiting
        self._line: deque[Item] = deque()
        self._in_work = False
        self._stopping = False
        self._failure: BaseException | None = None
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def offer(self, item: Item) -> bool:
        """Hand over without blocking; False when there is no room."""
        with self._changed:
            if self._stopping or len(self._line) >= self._room:
                return False
            self._line.append(item)
            self._changed.notify_all()
            return True

    def put(self, item: Item) -> None:
        """Hand over, waiting for room; drops the item if the lane is stopped or dead (it will be redone)."""
        with self._changed:
            self._changed.wait_for(lambda: self._stopping or self._failure is not None or len(self._line) < self._room)
            if not self._stopping and self._failure is None:
                self._line.append(item)
                self._changed.notify_all()

    @property
    def idle(self) -> bool:
        """Nothing in work and nothing waiting."""
        with self._changed:
            return not self._in_work and not self._line

    @property
    def has_room(self) -> bool:
        """Whether `offer` would be taken."""
        with self._changed:
            return not self._stopping and len(self._line) < self._room

    def wait_until_idle(self, timeout_s: float) -> None:
        """Block until the lane is idle, dead or stopped, or the time is up."""
        with self._changed:
            self._changed.wait_for(
                lambda: self._stopping or self._failure is not None or not (self._in_work or self._line), timeout_s
            )

    def check(self) -> None:
        """Raise ThreadDied when the thread has ended without being asked to, with its failure as the cause."""
        with self._changed:
            if self._failure is not None:
                raise ThreadDied(f"the {self._name} thread died: {type(self._failure).__name__}") from self._failure

    def stop(self, deadline: Deadline) -> bool:
        """Ask the thread to end after the item in work; whether it did by `deadline`."""
        with self._changed:
            self._stopping = True
            self._line.clear()
            self._changed.notify_all()
        if self._thread.ident is not None:
            self._thread.join(deadline.remaining_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        try:
            while (item := self._next()) is not None:
                self._work(item)
                self._done()
        except BaseException as failure:  # noqa: BLE001 -- kept, and raised by check() in the thread that supervises
            with self._changed:
                self._failure = failure
                self._in_work = False
                self._line.clear()
                self._changed.notify_all()

    def _next(self) -> Item | None:
        with self._changed:
            self._changed.wait_for(lambda: self._stopping or self._line)
            if self._stopping:
                return None
            self._in_work = True
            item = self._line.popleft()
            self._changed.notify_all()
            return item

    def _done(self) -> None:
        with self._changed:
            self._in_work = False
            self._changed.notify_all()
