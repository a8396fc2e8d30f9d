"""One publication on a thread of its own under one deadline: any call of the client may block for ever (D3)."""

from __future__ import annotations

import threading
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
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._abandoned = False
        self.producer = producer
        self.committing = False
        self.error: BaseException | None = None

    def run(self, timeout_s: float) -> bool:
        """Whether it ended in time; `error` is None when it did what it should."""
        threading.Thread(target=self._run, name="kafka-publish", daemon=True).start()
        if self._ended.wait(timeout_s):
            return True
        with self._lock:
            self._abandoned = not self._ended.is_set()
            return not self._abandoned

    def adopt(self, producer: Any) -> None:
        """Called by the work: from here on the producer is the caller's to let go. Raises Abandoned."""
        with self._lock:
            self._check()
            self.producer = producer

    def go_on(self) -> None:
        """Called by the work between its steps. Raises Abandoned."""
        with self._lock:
            self._check()

    def begin_commit(self) -> None:
        """Called by the work before the last step: from here on the outcome may be unknown. Raises Abandoned."""
        with self._lock:
            self._check()
            self.committing = True

    def _check(self) -> None:
        if self._abandoned:
            raise Abandoned

    def _run(self) -> None:
        try:
            self._work(self)
        except BaseException as error:  # noqa: BLE001 - handed to the caller, whatever it is
            self.error = error
        finally:
            with self._lock:
                self._ended.set()
