"""Writing and reading topics for tests with confluent-kafka: a client independent of the one under test by default."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from confluent_kafka import (
    OFFSET_BEGINNING,
    Consumer,
    KafkaError,
    KafkaException,
    Message,
    Producer,
    TopicPartition,
)

TIMEOUT_S = 30.0
COORDINATOR_ON_ITS_WAY = {
    KafkaError.NOT_COORDINATOR,
    KafkaError.COORDINATOR_NOT_AVAILABLE,
    KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
}

Headers = Sequence[tuple[str, bytes | None]]


@dataclass(frozen=True)
class ToSend:
    """A record to be produced; without a partition the client's partitioner chooses by key."""

    value: bytes | None
    key: bytes | None = None
    headers: Headers = ()
    partition: int | None = None
    timestamp_ms: int = 0


@dataclass(frozen=True, order=True)
class Stored:
    """A record as it stands in a topic."""

    topic: str
    partition: int
    offset: int
    value: bytes | None
    key: bytes | None
    headers: tuple[tuple[str, bytes | None], ...]
    timestamp_ms: int

    def header(self, name: str) -> bytes | None:
        """The value of the only header of that name; KeyError unless there is exactly one."""
        (value,) = [value for key, value in self.headers if key == name] or [KeyError(name)]
        if isinstance(value, KeyError):
            raise value
        return value


def produce(bootstrap_servers: str, topic: str, records: Iterable[ToSend]) -> list[tuple[int, int]]:
    """Write the records, all acknowledged; the (partition, offset) of each, in the order given."""
    delivered: dict[int, tuple[int, int]] = {}
    failures: list[KafkaError] = []
    producer = Producer({"bootstrap.servers": bootstrap_servers, "enable.idempotence": True, "linger.ms": 20})

    for number, record in enumerate(records):

        def done(error: KafkaError | None, message: Message, number: int = number) -> None:
            if error is not None:
                failures.append(error)
            else:
                delivered[number] = (message.partition(), message.offset())

        _send(producer, topic, record, done)
    unsent = producer.flush(TIMEOUT_S)
    if failures or unsent:
        raise AssertionError(f"{len(failures)} records failed, {unsent} unsent: {failures[:1]}")
    return [delivered[number] for number in sorted(delivered)]


def read_topic(bootstrap_servers: str, topic: str, *, read_committed: bool = True) -> list[Stored]:
    """Every record of the topic from its beginning to its end now, by partition and offset.

    Read-committed, the end is the last stable offset: what stands behind an open transaction is not there yet.
    """
    isolation = "read_committed" if read_committed else "read_uncommitted"
    options = {"isolation.level": isolation, "enable.partition.eof": True, "enable.auto.commit": False}
    with _consumer(bootstrap_servers, **options) as consumer:
        unread = set(_partitions(consumer, topic))
        consumer.assign([TopicPartition(topic, partition, OFFSET_BEGINNING) for partition in unread])
        records: list[Stored] = []
        deadline = time.monotonic() + TIMEOUT_S
        while unread:
            if time.monotonic() > deadline:
                raise AssertionError(f"{topic}: the end of partitions {sorted(unread)} was not reached")
            for message in consumer.consume(1000, timeout=0.2):
                if message.error() is None:
                    records.append(_stored(message))
                elif message.error().code() == KafkaError._PARTITION_EOF:
                    unread.discard(message.partition())
                else:
                    raise KafkaException(message.error())
    return sorted(records, key=lambda record: (record.partition, record.offset))


def committed_offsets(bootstrap_servers: str, group_id: str, topic: str) -> dict[int, int | None]:
    """The group's committed (next) offset of every partition; None where it has none."""
    # only asks, joins nothing; read committed, the answer waits for offsets of open transactions
    with _consumer(bootstrap_servers, **{"group.id": group_id, "isolation.level": "read_committed"}) as consumer:
        partitions = [TopicPartition(topic, partition) for partition in _partitions(consumer, topic)]
        answer = _committed(consumer, partitions)
    return {each.partition: each.offset if each.offset >= 0 else None for each in answer}


def end_offsets(bootstrap_servers: str, topic: str) -> dict[int, int]:
    """The log end of every partition: the offset the next record will get."""
    with _consumer(bootstrap_servers) as consumer:
        return {
            partition: consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=TIMEOUT_S)[1]
            for partition in _partitions(consumer, topic)
        }


def _send(producer: Producer, topic: str, record: ToSend, done: object) -> None:
    where = {} if record.partition is None else {"partition": record.partition}
    while True:
        try:
            producer.produce(
                topic,
                value=record.value,
                key=record.key,
                headers=list(record.headers),
                timestamp=record.timestamp_ms,
                on_delivery=done,
                **where,
            )
        except BufferError:
            producer.poll(0.1)
        else:
            producer.poll(0)
            return


def _committed(consumer: Consumer, partitions: list[TopicPartition]) -> list[TopicPartition]:
    """Asked again while the group's coordinator is not there yet, as on a broker that has just started."""
    deadline = time.monotonic() + TIMEOUT_S
    while True:
        try:
            return consumer.committed(partitions, timeout=TIMEOUT_S)
        except KafkaException as refused:
            if refused.args[0].code() not in COORDINATOR_ON_ITS_WAY or time.monotonic() > deadline:
                raise
        time.sleep(0.1)


@contextmanager
def _consumer(bootstrap_servers: str, **options: object) -> Iterator[Consumer]:
    consumer = Consumer({"bootstrap.servers": bootstrap_servers, "group.id": f"reader-{uuid.uuid4().hex}", **options})
    try:
        yield consumer
    finally:
        consumer.close()


def _partitions(consumer: Consumer, topic: str) -> list[int]:
    found = consumer.list_topics(topic, timeout=TIMEOUT_S).topics[topic]
    if found.error is not None:
        raise KafkaException(found.error)
    return sorted(found.partitions)


def _stored(message: Message) -> Stored:
    return Stored(
        topic=message.topic(),
        partition=message.partition(),
        offset=message.offset(),
        value=message.value(),
        key=message.key(),
        headers=tuple(message.headers() or ()),
        timestamp_ms=message.timestamp()[1],
    )
