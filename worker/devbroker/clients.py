"""Small clients for a development broker: write a topic, read topics back.

For demos, which own their topics; the worker's own way to Kafka is worker.kafka, and shares nothing with this.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from kafka import KafkaConsumer, KafkaProducer
from kafka import TopicPartition as ClientPartition
from kafka.errors import KafkaError

from worker.errors import BrokerUnavailable
from worker.records import Record

CLOSE_TIMEOUT_S = 2.0
REQUEST_TIMEOUT_MS = 15_000
LARGEST_POLL = 5_000
UNACKNOWLEDGED = 5_000
"""Records in the producer's memory before it must wait: it would take any number of them."""

ApiVersion = tuple[int, ...] | None
Place = tuple[int, int]
"""Partition and offset of a record in its topic."""


def write(
    bootstrap_servers: str,
    topic: str,
    records: Iterable[tuple[bytes | None, bytes | None]],
    *,
    api_version: ApiVersion = None,
) -> Iterator[list[Place]]:
    """Write keys and values; gives the places of each batch of them, in the order given, once all in it are safe.

    A record needs a key or a value: the client refuses one with neither. Raises BrokerUnavailable.
    """
    with _errors(bootstrap_servers):
        producer = KafkaProducer(
            **_connection(bootstrap_servers, api_version), acks="all", linger_ms=5, compression_type="lz4"
        )
        try:
            for batch in _batches(records):
                sent = [producer.send(topic, key=key, value=value) for key, value in batch]
                producer.flush(timeout=REQUEST_TIMEOUT_MS / 1000)
                places = [future.get(timeout=0) for future in sent]
                yield [(place.partition, place.offset) for place in places]
        finally:
            producer.close(timeout=CLOSE_TIMEOUT_S)


class TopicReader:
    """Reads whole topics from their beginning, read-committed, outside of any group. For one thread."""

    def __init__(self, bootstrap_servers: str, topics: Sequence[str], *, api_version: ApiVersion = None) -> None:
        """Connect. Raises BrokerUnavailable when nobody answers or a topic is missing."""
        self._servers = bootstrap_servers
        with _errors(bootstrap_servers):
            self._consumer: Any = KafkaConsumer(
                **_connection(bootstrap_servers, api_version),
                group_id=None,
                enable_auto_commit=False,
                isolation_level="read_committed",
                auto_offset_reset="earliest",
                max_poll_records=LARGEST_POLL,
                fetch_max_wait_ms=50,
                allow_auto_create_topics=False,
            )
            self._partitions = [
                ClientPartition(topic, number)
                for topic in topics
                for number in sorted(self._consumer.partitions_for_topic(topic) or ())
            ]
            self._consumer.assign(self._partitions)
            self._consumer.seek_to_beginning(*self._partitions)

    def poll(self, *, timeout_s: float) -> list[Record]:
        """What has come since the last call, waiting a while for something; per partition in its order."""
        with _errors(self._servers):
            fetched = self._consumer.poll(timeout_ms=round(timeout_s * 1000))
        return [_record(each) for records in fetched.values() for each in records]

    def rest(self) -> Iterator[list[Record]]:
        """Everything up to what is the end now; behind an open transaction nothing is visible yet."""
        with _errors(self._servers):
            ends = self._consumer.end_offsets(self._partitions, timeout_ms=REQUEST_TIMEOUT_MS)
        unread = set(self._partitions)
        while unread:
            with _errors(self._servers):
                # a position also passes the marks that end transactions, which no record shows
                unread = {each for each in unread if self._consumer.position(each) < ends[each]}
            if unread:
                yield self.poll(timeout_s=0.2)

    def close(self) -> None:
        self._consumer.close(autocommit=False, timeout_ms=round(CLOSE_TIMEOUT_S * 1000))


def _connection(bootstrap_servers: str, api_version: ApiVersion) -> dict[str, Any]:
    # its warnings about reconnecting are for programs that stay; ours say in a line of their own what is wrong
    logging.getLogger("kafka").addHandler(logging.NullHandler())
    return {
        "bootstrap_servers": bootstrap_servers.split(","),
        "api_version": api_version,
        "bootstrap_timeout_ms": REQUEST_TIMEOUT_MS,
        "reconnect_backoff_max_ms": 1000,
        "metrics_enabled": False,
    }


@contextmanager
def _errors(bootstrap_servers: str) -> Iterator[None]:
    try:
        yield
    except KafkaError as error:
        raise BrokerUnavailable(f"the Kafka broker at {bootstrap_servers} does not do its part: {error}") from error


def _batches(records: Iterable[tuple[bytes | None, bytes | None]]) -> Iterator[list[tuple[bytes | None, bytes | None]]]:
    batch = []
    for record in records:
        batch.append(record)
        if len(batch) == UNACKNOWLEDGED:
            yield batch
            batch = []
    if batch:
        yield batch


def _record(fetched: Any) -> Record:
    return Record(
        topic=fetched.topic,
        partition=fetched.partition,
        offset=fetched.offset,
        timestamp_ms=fetched.timestamp,
        key=fetched.key,
        value=fetched.value,
        headers=tuple(fetched.headers),
    )
