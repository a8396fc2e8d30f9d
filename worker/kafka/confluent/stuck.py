"""Notices partitions that flow, have records left, and yet deliver none; a new consumer reads them again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import structlog
from confluent_kafka import KafkaException
from confluent_kafka import TopicPartition as ClientPartition

from worker.records import TopicPartition

log = structlog.get_logger(__name__)

STUCK_AFTER_S = 10.0
ASKED_FOR_S = 1.0
THE_END = -1


class StuckWatch:
    """Asked with `now`; looks every STUCK_AFTER_S at what has not moved since."""

    def __init__(self) -> None:
        self._seen: dict[TopicPartition, int] = {}
        self._looked_at = float("-inf")

    def forgive(self) -> None:
        """Nothing was expected: paused or held."""
        self._seen.clear()

    def found(self, client: Any, following: Mapping[TopicPartition, int], now: float) -> bool:
        """Whether a partition stands still before records that are readable. `following`: the next offset of each."""
        if now - self._looked_at < STUCK_AFTER_S:
            return False
        self._looked_at = now
        still = [each for each, offset in following.items() if self._seen.get(each) == offset]
        self._seen = dict(following)
        try:
            return bool(still) and _behind(client, {each: following[each] for each in still})
        except KafkaException:
            return False


def _behind(client: Any, following: Mapping[TopicPartition, int]) -> bool:
    ends = client.offsets_for_times([ClientPartition(*each, THE_END) for each in following], timeout=ASKED_FOR_S)
    found = False
    for each in ends:
        # markers of transactions are passed over without a record
        (answer,) = client.position([ClientPartition(each.topic, each.partition)])
        reached = max(answer.offset, following[TopicPartition(each.topic, each.partition)])
        if each.error is None and reached < each.offset:
            found = True
            log.error("source.stuck", topic=each.topic, partition=each.partition, next=reached, end=each.offset)
    return found
