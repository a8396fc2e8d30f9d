"""How a producer of ours is set up, what it is given to send, and how it is let go."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from kafka import KafkaProducer
from kafka.errors import AuthorizationError, KafkaError

from worker.kafka.calls import Call, ended_within
from worker.kafka.client_defects import stop_sending
from worker.kafka.connection import Connection
from worker.kafka.encoding import NOTHING, ValueSerializer, client_headers
from worker.kafka.opening import open_now
from worker.records import Destination, Outgoing

DELIVERY_TIMEOUT_MS = 9_000
MAX_BLOCK_MS = 8_000
TRANSACTION_TIMEOUT_MS = 10_000
BATCH_BYTES = 262_144
REQUEST_TIMEOUT_MS = 7_000
REOPEN_EVERY_S = 0.5
REOPEN_FOR_S = 120.0


class Compression(StrEnum):
    """Of the batches sent; what the client supports without further packages."""

    NONE = "none"
    GZIP = "gzip"
    LZ4 = "lz4"
    ZSTD = "zstd"


@dataclass(frozen=True, slots=True)
class ProducerSettings:
    """Where each kind of outgoing record goes. `max_message_bytes`: what the strictest of the topics accepts."""

    topics: Mapping[Destination, str]
    max_message_bytes: int
    compression: Compression = Compression.LZ4


def open_producer(connection: Connection, settings: ProducerSettings, *, transactional_id: str | None = None) -> Any:
    """Connect. Blocks for BOOTSTRAP_TIMEOUT_MS, then raises the client's KafkaTimeoutError."""
    return open_now(
        KafkaProducer,
        {
            **connection.client_settings(),
            "transactional_id": transactional_id,
            "transaction_timeout_ms": TRANSACTION_TIMEOUT_MS,
            "acks": "all",
            "delivery_timeout_ms": DELIVERY_TIMEOUT_MS,
            "request_timeout_ms": REQUEST_TIMEOUT_MS,
            "retry_backoff_ms": 20,
            "max_block_ms": MAX_BLOCK_MS,
            "metadata_max_age_ms": 30_000,
            "linger_ms": 5,
            # a batch larger than the topic accepts would fail as a whole (D15); the limit counts before compression
            "batch_size": min(BATCH_BYTES, settings.max_message_bytes),
            "max_request_size": settings.max_message_bytes,
            "compression_type": None if settings.compression is Compression.NONE else settings.compression.value,
            "value_serializer": ValueSerializer(),
            "allow_auto_create_topics": False,
            "metrics_enabled": False,
        },
    )


def reopening_producer(connection: Connection, settings: ProducerSettings, *, transactional_id: str) -> Call[Any]:
    """A producer on its way that takes the place of one that failed, and ends its transaction as soon as it can.

    Until that has ended, the group's offsets that stand in it cannot be read (D21).
    """

    def reopened() -> Any:
        given_up_at = time.monotonic() + REOPEN_FOR_S
        while True:
            try:
                return _initialised(connection, settings, transactional_id)
            except AuthorizationError:
                raise
            except KafkaError:
                if time.monotonic() > given_up_at:
                    raise
                time.sleep(REOPEN_EVERY_S)

    return Call(reopened, name="kafka-reopen", too_late=discard)


def _initialised(connection: Connection, settings: ProducerSettings, transactional_id: str) -> Any:
    producer = open_producer(connection, settings, transactional_id=transactional_id)
    try:
        producer.init_transactions()
    except BaseException:
        stop_sending(producer)
        raise
    return producer


def end_transaction_of(connection: Connection, transactional_id: str) -> None:
    """End at once what an earlier life of this worker left open. Raises the client's errors."""
    stop_sending(_initialised(connection, ProducerSettings({}, BATCH_BYTES), transactional_id))


def send_all(producer: Any, topics: Mapping[Destination, str], outgoing: Sequence[Outgoing]) -> list[Any]:
    """Hand every record to the client, in order; the future of each. Raises the client's errors."""
    partitions = {
        each: len(producer.partitions_for(topics[each])) for each in {record.destination for record in outgoing}
    }
    return [
        producer.send(
            topics[record.destination],
            value=NOTHING if record.value is None else record.value,
            key=record.key,
            headers=client_headers(record.headers),
            partition=None if record.key is not None else record.source.partition % partitions[record.destination],
        )
        for record in outgoing
    ]


def flush_all(producer: Any, futures: Sequence[Any]) -> None:
    """Wait until every record is durable. Raises the first failure: `flush` itself returns without one (D1, D2)."""
    producer.flush(timeout=DELIVERY_TIMEOUT_MS / 1000)
    for future in futures:
        if not future.succeeded():
            raise future.exception or KafkaError("the client gave a record up without saying why")


def discard(producer: Any) -> None:
    """Let a producer go that failed; never blocks. Whoever opens the next one ends its transaction."""
    Call(lambda: stop_sending(producer), name="kafka-discard", too_late=lambda _: None)


def close(producer: Any, *, timeout_s: float) -> None:
    """Let a producer go that has nothing under way; returns after `timeout_s` at the latest."""
    ended_within(timeout_s, lambda: producer.close(timeout=timeout_s), name="kafka-close")
