"""How far the whole group has come, on partitions that other members own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException
from confluent_kafka import TopicPartition as ClientPartition

from worker.clock import Clock
from worker.kafka.calls import ended_within
from worker.kafka.confluent.client_log import client_logger
from worker.kafka.confluent.settings import reader_settings
from worker.kafka.confluent.settling import committed
from worker.kafka.connection import Connection
from worker.kafka.progress import ASK_EVERY_S
from worker.kafka.settling import Unsettled
from worker.records import TopicPartition

LOOK_TIMEOUT_S = 1.0
CLOSE_TIMEOUT_S = 2.0


class GroupProgress:
    """Remembers which partitions were seen committed to their end; asks for the others."""

    def __init__(self, connection: Connection, clock: Clock) -> None:
        self._connection = connection
        self._clock = clock
        self._reached: dict[TopicPartition, int] = {}
        self._asked_at = float("-inf")
        self._reader: Any = None

    def reached(self, consumer: Any, ends: Mapping[TopicPartition, int]) -> bool:
        """Whether the group has committed each partition to its end, or to where only markers are left before it."""
        missing = [partition for partition, end in sorted(ends.items()) if self._reached.get(partition, 0) < end]
        if not missing:
            return True
        now = self._clock.monotonic()
        if now - self._asked_at < ASK_EVERY_S:
            return False
        self._asked_at = now
        try:
            known = committed(consumer, missing)
        except Unsettled:
            return False
        return all(self._is_there(each, known, ends[each]) for each in missing)

    def close(self) -> None:
        if self._reader is not None:
            reader, self._reader = self._reader, None
            ended_within(CLOSE_TIMEOUT_S, reader.close, name="kafka-reader-close")

    def _is_there(self, partition: TopicPartition, known: Mapping[TopicPartition, Any], end: int) -> bool:
        if partition not in known:
            return False
        start = known[partition]
        there = (start is not None and start.offset >= end) or self._nothing_left(
            partition, OFFSET_BEGINNING if start is None else start.offset, end
        )
        if there:
            self._reached[partition] = end
        return there

    def _nothing_left(self, partition: TopicPartition, start: int, end: int) -> bool:
        """Whether no committed record stands between the two: a transaction leaves markers at the end of a log."""
        if self._reader is None:
            self._reader = Consumer(reader_settings(self._connection), logger=client_logger())
        try:
            self._reader.assign([ClientPartition(*partition, start)])
            seen = self._reader.poll(LOOK_TIMEOUT_S)
        except KafkaException:
            return False
        if seen is None or seen.offset() is None or seen.offset() < end:
            return False
        return seen.error() is None or bool(seen.error().code() == KafkaError._PARTITION_EOF)
