"""The last resort against a worker that hangs: say where every thread stands, once, and end the process.

A hung thread cannot be stopped from inside; ending the process is as safe as kill -9, because nothing is committed that
was not published.
"""

from __future__ import annotations

import faulthandler
import os
import sys
import threading
from collections.abc import Callable

import structlog

from worker.observability.health import Health

log = structlog.get_logger(__name__)

LOOK_EVERY_S = 1.0
PROBE_GRACE_S = 5.0


def die() -> None:
    """Dump all stacks (places in the code, no values) to standard error and exit 1."""
    faulthandler.dump_traceback(file=sys.__stderr__ or 2, all_threads=True)
    os._exit(1)


class StallWatch:
    """A daemon thread that calls `die` some seconds after health says that the worker is stalled.

    The grace is for /livez to say why before the process is gone.
    """

    def __init__(self, health: Health, *, die: Callable[[], None] = die, grace_s: float = PROBE_GRACE_S) -> None:
        self._health = health
        self._die = die
        self._grace_s = grace_s
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="stall-watch", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """No stall counts any more; idempotent."""
        self._ended.set()

    def _watch(self) -> None:
        while not self._ended.wait(LOOK_EVERY_S):
            if not self._health.stalled:
                continue
            log.error("worker.stalled", idle_s=round(self._health.idle_s, 1))
            if self._ended.wait(self._grace_s):
                return
            if self._health.stalled:
                self._die()
                return
