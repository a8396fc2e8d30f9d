"""Whether the worker lives and is ready: told by the loop, asked by probes. Knows nothing of HTTP."""

from __future__ import annotations

import threading
from dataclasses import dataclass

from worker.clock import Clock


@dataclass(frozen=True, slots=True)
class Verdict:
    """An answer to a probe; `why` is one line for the person who looks."""

    ok: bool
    why: str


class Health:
    """The state behind /livez and /readyz. Thread-safe.

    A worker that has not begun (it loads a model, it waits for a broker) is alive and not ready; from its first
    progress on it must make some every `stall_timeout_s`.
    """

    def __init__(self, *, stall_timeout_s: float, clock: Clock) -> None:
        self._stall_timeout_s = stall_timeout_s
        self._clock = clock
        self._lock = threading.Lock()
        self._progress_at: float | None = None
        self._ready = False
        self._why_not_ready = "starting"

    def progress(self, now: float) -> None:
        """The loop got somewhere at `now` (monotonic seconds): it polled with nothing to do, or finished some work."""
        with self._lock:
            self._progress_at = now

    def ready(self, ready: bool, why: str = "not ready") -> None:
        """The model is loaded and the group joined, or (with the reason) not any more."""
        with self._lock:
            self._ready = ready
            self._why_not_ready = why

    @property
    def stalled(self) -> bool:
        """No progress for longer than the time-out."""
        return self.idle_s > self._stall_timeout_s

    @property
    def idle_s(self) -> float:
        """Seconds since the last progress; 0 before the first."""
        with self._lock:
            return 0.0 if self._progress_at is None else max(0.0, self._clock.monotonic() - self._progress_at)

    def live(self) -> Verdict:
        """For /livez: restart the worker if not."""
        if self.stalled:
            return Verdict(
                ok=False,
                why=f"no progress for {self.idle_s:.0f} s (server.stall_timeout_s: {self._stall_timeout_s:g})",
            )
        return Verdict(ok=True, why="alive")

    def readiness(self) -> Verdict:
        """For /readyz: the model is loaded and partitions are assigned, or the group has none to give yet."""
        with self._lock:
            ready, why = self._ready, self._why_not_ready
        if ready and self.stalled:
            return Verdict(ok=False, why="stalled")
        return Verdict(ok=ready, why="ready" if ready else why)
