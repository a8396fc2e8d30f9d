"""Where a partition goes on after it was assigned or rewound: the group's committed offset, else the start.

Positions the client keeps over a rebalance are never trusted (D10).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from kafka.errors import KafkaTimeoutError
from kafka.structs import OffsetAndMetadata
from kafka.structs import TopicPartition as ClientPartition

from worker.kafka.consumer import StartFrom

COMMITTED_TIMEOUT_MS = 300
OFFSETS_TIMEOUT_MS = 1_000


class Unsettled(Exception):
    """The brokers cannot say yet; ask again later."""


@dataclass(frozen=True, slots=True)
class Start:
    """Where a partition goes on, and the note that was committed with that offset."""

    offset: int
    note: str = ""


def committed(consumer: Any, partition: ClientPartition) -> OffsetAndMetadata | None:
    """What the group has committed, None where it has nothing. Raises Unsettled, e.g. in an open transaction (D21).

    Asked twice: when an earlier question timed out, the client answers the next one with what it got for the earlier
    one, however old; only a second question is surely new (D25).
    """
    try:
        consumer.committed(partition, metadata=True, timeout_ms=COMMITTED_TIMEOUT_MS)
        found: OffsetAndMetadata | None = consumer.committed(partition, metadata=True, timeout_ms=COMMITTED_TIMEOUT_MS)
    except KafkaTimeoutError as error:
        raise Unsettled from error
    return found


def next_start(consumer: Any, partition: ClientPartition, start_from: StartFrom) -> Start:
    """The offset to read next. A start at the latest is committed at once: otherwise a member that takes the partition
    over before the first wave would skip what came in between. Raises Unsettled."""
    known = committed(consumer, partition)
    if known is not None:
        return Start(known.offset, known.metadata or "")
    try:
        if start_from is StartFrom.EARLIEST:
            return Start(int(consumer.beginning_offsets([partition], timeout_ms=OFFSETS_TIMEOUT_MS)[partition]))
        end = int(consumer.end_offsets([partition], timeout_ms=OFFSETS_TIMEOUT_MS)[partition])
        consumer.commit({partition: OffsetAndMetadata(end, "", -1)}, timeout_ms=OFFSETS_TIMEOUT_MS)
    except KafkaTimeoutError as error:
        raise Unsettled from error
    return Start(end)
