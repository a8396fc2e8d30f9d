"""How far the whole group has come, on partitions that other members own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kafka import KafkaConsumer
from kafka.errors import KafkaError
from kafka.structs import TopicPartition as ClientPartition

from worker.clock import Clock
from worker.kafka.connection import Connection
from worker.kafka.opening import open_now
from worker.kafka.settling import Unsettled, committed

ASK_EVERY_S = 0.5
LOOKS = 10
LOOK_TIMEOUT_MS = 100


class GroupProgress:
    """Remembers which partitions were seen committed to their end; asks for the others, one at a time."""

    def __init__(self, connection: Connection, clock: Clock) -> None:
        self._connection = connection
        self._clock = clock
        self._reached: dict[ClientPartition, int] = {}
        self._asked_at = float("-inf")
        self._reader: Any = None

    def reached(self, consumer: Any, ends: Mapping[ClientPartition, int]) -> bool:
        """Whether the group has committed each partition to its end, or to where only markers are left before it."""
        missing = [partition for partition, end in sorted(ends.items()) if self._reached.get(partition, 0) < end]
        if not missing:
            return True
        now = self._clock.monotonic()
        if now - self._asked_at < ASK_EVERY_S:
            return False
        self._asked_at = now
        return all(self._ask(consumer, partition, ends[partition]) for partition in missing)

    def close(self) -> None:
        if self._reader is not None:
            self._reader.close(autocommit=False, timeout_ms=0)
            self._reader = None

    def _ask(self, consumer: Any, partition: ClientPartition, end: int) -> bool:
        try:
            known = committed(consumer, partition)
            start = None if known is None else known.offset
            there = (start is not None and start >= end) or self._nothing_left(partition, start, end)
        except (KafkaError, Unsettled):
            return False
        if there:
            self._reached[partition] = end
        return there

    def _nothing_left(self, partition: ClientPartition, start: int | None, end: int) -> bool:
        """Whether no committed record stands between the two: a transaction leaves markers at the end of a log."""
        if self._reader is None:
            self._reader = open_now(KafkaConsumer, _settings(self._connection))
        self._reader.assign([partition])
        if start is None:
            self._reader.seek_to_beginning(partition)
        else:
            self._reader.seek(partition, start)
        for _ in range(LOOKS):
            if self._reader.poll(timeout_ms=LOOK_TIMEOUT_MS):
                return False
            position = self._reader.position(partition, timeout_ms=LOOK_TIMEOUT_MS)
            if position is not None and position >= end:
                return True
        return False


def _settings(connection: Connection) -> dict[str, Any]:
    return {
        **connection.client_settings(),
        "group_id": None,
        "isolation_level": "read_committed",
        "auto_offset_reset": "earliest",
        "enable_auto_commit": False,
        "max_poll_records": 1,
        "metrics_enabled": False,
    }
