"""Notices, while running, that trying on is pointless: permission withdrawn, an input topic deleted."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence

from worker.clock import Clock
from worker.errors import BrokerRefused, BrokerUnavailable
from worker.kafka.causes import permission
from worker.kafka.connection import Connection
from worker.kafka.topics import missing_topics

SURE_AFTER_S = 3.0
PASSED_AFTER_S = 5.0
LOOKS = 3
LOOK_EVERY_S = 2.0


class RefusalWatch:
    """Fed by the source with what happens to it; `check` raises BrokerRefused once there is no doubt."""

    def __init__(self, connection: Connection, topics: Sequence[str], group_id: str, clock: Clock) -> None:
        self._connection = connection
        self._topics = topics
        self._group_id = group_id
        self._clock = clock
        self._forbidden_since = float("-inf")
        self._forbidden_at = float("-inf")
        self._looking: threading.Thread | None = None
        self._gone: list[str] = []

    def consider(self, error: BaseException) -> None:
        """Raises BrokerRefused when permission goes on being missing for SURE_AFTER_S."""
        refused = permission(error, group_id=self._group_id)
        if refused is None:
            return
        now = self._clock.monotonic()
        if now - self._forbidden_at > PASSED_AFTER_S:
            self._forbidden_since = now
        self._forbidden_at = now
        if now - self._forbidden_since >= SURE_AFTER_S:
            raise refused from error

    def look(self) -> None:
        """Partitions moved, as they do when a topic is deleted: see, on another thread, whether all are there."""
        if self._looking is None or not self._looking.is_alive():
            self._looking = threading.Thread(target=self._look, name="kafka-topics-look", daemon=True)
            self._looking.start()

    def check(self) -> None:
        if self._gone:
            raise BrokerRefused(f"input topics were deleted or are forbidden now: {', '.join(self._gone)}")

    def _look(self) -> None:
        for number in range(LOOKS):
            if number:
                time.sleep(LOOK_EVERY_S)
            try:
                gone = missing_topics(self._connection, self._topics)
            except BrokerUnavailable:
                return
            if not gone:
                return
        self._gone = gone
