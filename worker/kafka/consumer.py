"""How a consumer of ours is set up, and how it is let go; what it reads is `source`'s business."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from kafka import ConsumerRebalanceListener, KafkaConsumer
from kafka.coordinator.assignors.cooperative_sticky import CooperativeStickyAssignor
from kafka.coordinator.assignors.range import RangePartitionAssignor

from worker.kafka.calls import Call
from worker.kafka.client_defects import accept_any_header_name
from worker.kafka.connection import Connection
from worker.kafka.opening import Opening
from worker.records import Record

LEAVE_TIMEOUT_MS = 5_000
FETCH_BYTES = 131_072
METADATA_MAX_AGE_MS = 30_000


class StartFrom(StrEnum):
    """Where a group starts that has committed nothing yet."""

    EARLIEST = "earliest"
    LATEST = "latest"


class Assignor(StrEnum):
    """How partitions are shared out: moving only what must move, or all of them at every rebalance."""

    COOPERATIVE_STICKY = "cooperative-sticky"
    RANGE = "range"


ASSIGNORS = {
    Assignor.COOPERATIVE_STICKY: CooperativeStickyAssignor,
    Assignor.RANGE: RangePartitionAssignor,
}


@dataclass(frozen=True, slots=True)
class ConsumerSettings:
    """What is read and how. `fetch_max_wait_s`: how long a broker may hold a fetch back for more records.

    `max_value_bytes`: the largest value that is usual; larger ones arrive too, one at a time.
    """

    topics: tuple[str, ...]
    group_id: str
    start_from: StartFrom = StartFrom.EARLIEST
    assignor: Assignor = Assignor.COOPERATIVE_STICKY
    fetch_max_wait_s: float = 0.02
    max_value_bytes: int = 262_144
    max_poll_records: int = 500


class RebalanceFlag(ConsumerRebalanceListener):  # type: ignore[misc]
    """Remembers that partitions moved. It runs on the client's thread, where it may neither block nor raise (D9)."""

    def __init__(self) -> None:
        self.raised = False

    def on_partitions_revoked(self, revoked: Any) -> None:  # noqa: ARG002 - the client's signature
        self.raised = True

    def on_partitions_assigned(self, assigned: Any) -> None:  # noqa: ARG002
        self.raised = True

    def on_partitions_lost(self, lost: Any) -> None:  # noqa: ARG002
        self.raised = True


def opening_consumer(connection: Connection, settings: ConsumerSettings) -> Opening:
    """A consumer on its way; it is there once a broker answers."""
    accept_any_header_name()
    return Opening(KafkaConsumer, _client_settings(connection, settings), close=leave)


def _client_settings(connection: Connection, settings: ConsumerSettings) -> dict[str, Any]:
    return {
        **connection.client_settings(bootstrap_timeout_ms=None),
        "group_id": settings.group_id,
        # no group_instance_id: a displaced static member notices nothing and reads nothing (D18)
        "partition_assignment_strategy": [ASSIGNORS[settings.assignor]],
        "session_timeout_ms": 10_000,
        "heartbeat_interval_ms": 2_000,
        "max_poll_interval_ms": 30_000,
        "request_timeout_ms": 15_000,
        "retry_backoff_ms": 100,
        "metadata_max_age_ms": METADATA_MAX_AGE_MS,
        "enable_auto_commit": False,
        # switches require_stable on as well: an offset in an open transaction is waited for
        "isolation_level": "read_committed",
        # of offsets that the topic no longer has; where a new group starts is settled by us
        "auto_offset_reset": "earliest",
        "fetch_max_wait_ms": round(settings.fetch_max_wait_s * 1000),
        # small, else one partition's backlog starves the others while waves are slow
        "max_partition_fetch_bytes": max(FETCH_BYTES, settings.max_value_bytes),
        "max_poll_records": settings.max_poll_records,
        "allow_auto_create_topics": False,
        "metrics_enabled": False,
    }


def leave(consumer: Any) -> Call[None]:
    """Leave the group without committing, on a thread of its own: it can take LEAVE_TIMEOUT_MS (D19)."""
    return Call(
        lambda: consumer.close(autocommit=False, timeout_ms=LEAVE_TIMEOUT_MS),
        name="kafka-leave",
        too_late=lambda _: None,
    )


def record_of(record: Any) -> Record:
    """The client's record as ours."""
    return Record(
        record.topic,
        record.partition,
        record.offset,
        record.timestamp,
        record.key,
        record.value,
        tuple(record.headers),
    )
