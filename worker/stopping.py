"""How a worker is asked to stop: SIGTERM or SIGINT drains, a second one ends the process at once."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import structlog

log = structlog.get_logger(__name__)

SIGNALS = (signal.SIGTERM, signal.SIGINT)


class Stop:
    """A request to stop, from a signal handler or another thread.

    Before `drains_from_now` nothing is in hand, and a signal ends the program with exit 0 wherever it is.
    """

    def __init__(self) -> None:
        self._requested = threading.Event()
        self._signal: str | None = None
        self.draining = False

    def request(self, *, signal_name: str | None = None) -> None:
        self._signal = signal_name
        self._requested.set()

    def announce(self) -> None:
        """Log the signal, if it was one. Not from its handler: it may have interrupted a thread that holds the log."""
        if self._signal is not None:
            log.info("worker.stopping", signal=self._signal)
            self._signal = None

    @property
    def requested(self) -> bool:
        return self._requested.is_set()

    def drains_from_now(self) -> None:
        """From now on records may be in hand, which a stop must finish first."""
        self.draining = True


@contextmanager
def stop_on_signals() -> Iterator[Stop]:
    """Handle SIGTERM and SIGINT while the block runs; give back the former handlers afterwards. Main thread only."""
    stop = Stop()

    def handle(number: int, _frame: FrameType | None) -> None:
        if stop.requested:
            os._exit(128 + number)
        stop.request(signal_name=signal.Signals(number).name)
        if not stop.draining:
            raise SystemExit(0)

    former = {number: signal.signal(number, handle) for number in SIGNALS}
    try:
        yield stop
    finally:
        stop.announce()
        for number, handler in former.items():
            signal.signal(number, handler)
