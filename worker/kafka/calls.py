"""Calls of the client on threads of their own, because any of them may block for ever (D3)."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Call(Generic[T]):
    """One call under way. `too_late` gets its result when nobody wants it any more."""

    def __init__(self, work: Callable[[], T], *, name: str, too_late: Callable[[T], object]) -> None:
        self._work = work
        self._too_late = too_late
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._abandoned = False
        self._result: list[T] = []
        self._error: BaseException | None = None
        threading.Thread(target=self._run, name=name, daemon=True).start()

    def wait(self, timeout_s: float) -> bool:
        """Whether it has ended, after waiting for that at most so long."""
        return self._ended.wait(timeout_s)

    def result(self) -> T:
        """After `wait` said yes: what it returned; raises what it raised."""
        if self._error is not None:
            raise self._error
        return self._result[0]

    def abandon(self) -> None:
        """Wait no longer; a result is let go when it comes, or now."""
        with self._lock:
            self._abandoned = True
            late = list(self._result)
        for result in late:
            self._too_late(result)

    def _run(self) -> None:
        try:
            result = self._work()
        except BaseException as error:  # noqa: BLE001 - handed to whoever asks for the result
            self._error = error
        else:
            self._keep(result)
        finally:
            self._ended.set()

    def _keep(self, result: T) -> None:
        with self._lock:
            if not self._abandoned:
                self._result.append(result)
                return
        self._too_late(result)


def ended_within(timeout_s: float, work: Callable[[], object], *, name: str) -> bool:
    """Whether a call that closes something ended in time; how it ended does not matter."""
    return Call(work, name=name, too_late=lambda _: None).wait(timeout_s)
