"""One publication on a thread of its own under one deadline: any call of the client may block for ever (D3).

A step may have a nearer deadline: what the client has not ended by its own time-out, it never ends.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any


class Abandoned(Exception):
    """The deadline passed while the attempt was under way: it must not go on."""


class Attempt:
    """Runs `work` once. After `run` returned False it never gets beyond the next step it asks for.

    `producer`: what it works with; `committing`: it has begun what cannot be taken back.
    """

    def __init__(self, work: Callable[[Attempt], None], *, producer: Any) -> None:
        self._work = work
        self._changed = threading.Condition()
        self._has_ended = False
        self._abandoned = False
        self._deadline = float("inf")
        self._due = float("inf")
        self.producer = producer
        self.committing = False
        self.error: BaseException | None = None

    def run(self, timeout_s: float) -> bool:
        """Whether it ended in time; `error` is None when it did what it should."""
        self._due = self._deadline = time.monotonic() + timeout_s
        threading.Thread(target=self._run, name="kafka-publish", daemon=True).start()
        with self._changed:
            while not self._has_ended:
                remaining_s = self._due - time.monotonic()
                if remaining_s <= 0:
                    self._abandoned = True
                    return False
                self._changed.wait(remaining_s)
            return True

    def adopt(self, producer: Any) -> None:
        """Called by the work: from here on the producer is the caller's to let go. Raises Abandoned."""
        with self._changed:
            self._check()
            self.producer = producer

    def go_on(self, *, within_s: float) -> None:
        """Called by the work between its steps; the next one may take so long. Raises Abandoned."""
        with self._changed:
            self._check()
            self._begin_step(within_s)

    def begin_commit(self, *, within_s: float) -> None:
        """Called by the work before the last step: from here on the outcome may be unknown. Raises Abandoned."""
        with self._changed:
            self._check()
            self._begin_step(within_s)
            self.committing = True

    def _begin_step(self, within_s: float) -> None:
        self._due = min(self._deadline, time.monotonic() + within_s)
        self._changed.notify_all()

    def _check(self) -> None:
        if self._abandoned:
            raise Abandoned

    def _run(self) -> None:
        try:
            self._work(self)
        except BaseException as error:  # noqa: BLE001 - handed to the caller, whatever it is
            self.error = error
        finally:
            with self._changed:
                self._has_ended = True
                self._changed.notify_all()
