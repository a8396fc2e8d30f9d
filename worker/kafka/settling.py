"""Where a partition goes on after it was assigned or rewound: the group's committed offset, else the start.

Positions the client keeps over a rebalance are never trusted (D10).
"""

from __future__ import annotations

from typing import Any

from kafka.errors import KafkaTimeoutError
from kafka.structs import OffsetAndMetadata
from kafka.structs import TopicPartition as ClientPartition

from worker.kafka.consumer import StartFrom

COMMITTED_TIMEOUT_MS = 300
OFFSETS_TIMEOUT_MS = 1_000


class Unsettled(Exception):
    """The brokers cannot say yet; ask again later."""


def committed_offset(consumer: Any, partition: ClientPartition) -> int | None:
    """The group's committed offset, None where it has none. Raises Unsettled, e.g. while a transaction holds it (D21).

    Asked twice: when an earlier question timed out, the client answers the next one with what it got for the earlier
    one, however old; only a second question is surely new (D25).
    """
    try:
        consumer.committed(partition, timeout_ms=COMMITTED_TIMEOUT_MS)
        offset: int | None = consumer.committed(partition, timeout_ms=COMMITTED_TIMEOUT_MS)
    except KafkaTimeoutError as error:
        raise Unsettled from error
    return offset


def next_offset(consumer: Any, partition: ClientPartition, start_from: StartFrom) -> int:
    """The offset to read next. A start at the latest is committed at once: otherwise a member that takes the partition
    over before the first wave would skip what came in between. Raises Unsettled."""
    committed = committed_offset(consumer, partition)
    if committed is not None:
        return committed
    try:
        if start_from is StartFrom.EARLIEST:
            return int(consumer.beginning_offsets([partition], timeout_ms=OFFSETS_TIMEOUT_MS)[partition])
        end = int(consumer.end_offsets([partition], timeout_ms=OFFSETS_TIMEOUT_MS)[partition])
        consumer.commit({partition: OffsetAndMetadata(end, "", -1)}, timeout_ms=OFFSETS_TIMEOUT_MS)
    except KafkaTimeoutError as error:
        raise Unsettled from error
    return end
