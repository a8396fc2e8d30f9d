"""The simplest honest worker over the adapters: polls, publishes what it polled, rewinds when it must."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from tests.conftest import Topics, fresh
from tests.kafka_io import Stored, ToSend, produce, read_topic
from worker.errors import Fenced, OutcomeUnknown, PublishFailed
from worker.kafka.clients import adapters
from worker.kafka.connection import Connection
from worker.kafka.consumer import Assignor, ConsumerSettings
from worker.kafka.producer import Compression, ProducerSettings
from worker.kafka.publisher import FlushingPublisher, TransactionalPublisher
from worker.kafka.slots import TransactionalIdSlot
from worker.kafka.source import KafkaSource
from worker.ports import Polled, Publisher, Source
from worker.records import Destination, Membership, Outgoing, Publication, Record, TopicPartition

MAX_MESSAGE_BYTES = 1_048_588
PATIENCE_S = 60.0


@dataclass(frozen=True)
class Road:
    """An input and an output topic on one broker, and the group that works between them."""

    servers: str
    input: str
    output: str
    partitions: int
    group_id: str = field(default_factory=lambda: fresh("group"))

    @classmethod
    def made(cls, topics: Topics, *, partitions: int = 4) -> Road:
        source, target = (topics(name, partitions=partitions) for name in ("in", "out"))
        return cls(topics.bootstrap_servers, source, target, partitions)

    @property
    def connection(self) -> Connection:
        return Connection(tuple(self.servers.split(",")))

    def write(self, numbers: Sequence[int]) -> None:
        """The numbers as values, without keys, over the partitions in turn."""
        sent = [ToSend(str(n).encode(), partition=n % self.partitions) for n in numbers]
        produce(self.servers, self.input, sent)

    def read(self) -> list[Stored]:
        return read_topic(self.servers, self.output)

    def settings(
        self, *, assignor: Assignor = Assignor.COOPERATIVE_STICKY, max_poll_records: int = 500
    ) -> ConsumerSettings:
        return ConsumerSettings(
            (self.input,), self.group_id, assignor=assignor, max_value_bytes=1, max_poll_records=max_poll_records
        )

    def source(self, *, commits: bool = False, settings: ConsumerSettings | None = None) -> KafkaSource:
        return KafkaSource(self.connection, settings or self.settings(), commits=commits)

    def publisher(self, slot: TransactionalIdSlot, *, deadline_s: float = 20.0) -> TransactionalPublisher:
        return TransactionalPublisher(
            self.connection, self.producer_settings(), group_id=self.group_id, slot=slot, deadline_s=deadline_s
        )

    def flushing(self) -> FlushingPublisher:
        return FlushingPublisher(self.connection, self.producer_settings(), group_id=self.group_id)

    def producer_settings(self, *, compression: Compression = Compression.LZ4) -> ProducerSettings:
        return ProducerSettings({Destination.OUTPUT: self.output}, MAX_MESSAGE_BYTES, compression)


def wave(records: Sequence[Record], membership: Membership) -> Publication:
    """Every record passed on as it is, and the offsets behind them."""
    offsets: dict[TopicPartition, int] = {}
    for record in records:
        offsets[record.topic_partition] = record.offset + 1
    outgoing = [Outgoing(Destination.OUTPUT, record.key, record.value, (), record) for record in records]
    return Publication(outgoing, offsets, membership)


class Worker:
    """One source and one publisher; `turn` may be called by one thread at a time."""

    def __init__(self, source: Source, publisher: Publisher) -> None:
        self.source = source
        self.publisher = publisher
        self.published = 0
        self.failures: list[Exception] = []
        self.rebalances = 0
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None
        self._errors: list[Exception] = []

    def turn(self) -> None:
        self.handle(self.source.poll(timeout_s=0.1))

    def handle(self, polled: Polled) -> None:
        if polled.rebalanced:
            self.rebalances += 1
            self.source.rewind()
        elif polled.records and polled.membership is not None:
            self._publish(wave(polled.records, polled.membership))

    def start(self) -> None:
        """Go on with turns on a thread of its own, until `stop`."""
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def stop(self) -> None:
        """End the thread and leave the group; raises what ended it before. Harmless when repeated."""
        self._ended.set()
        if self._thread is not None:
            self._thread.join()
        self.publisher.close(timeout_s=6)
        self.source.close(timeout_s=6)
        if self._errors:
            raise self._errors.pop()

    def _run(self) -> None:
        try:
            while not self._ended.is_set():
                self.turn()
        except Exception as error:  # noqa: BLE001 - raised again by `stop`
            self._errors.append(error)

    def _publish(self, publication: Publication) -> None:
        try:
            self.publisher.publish(publication)
        except (PublishFailed, OutcomeUnknown, Fenced) as error:
            self.failures.append(error)
            self.source.rewind()
        else:
            self.source.acknowledge(publication)
            self.published += len(publication.outgoing)


@contextmanager
def worker_on(road: Road, *, settings: ConsumerSettings | None = None, deadline_s: float = 20.0) -> Iterator[Worker]:
    """An exactly-once worker, not started; stopped and its slot freed at the end."""
    slot = TransactionalIdSlot(road.group_id)
    worker = Worker(road.source(settings=settings), road.publisher(slot, deadline_s=deadline_s))
    try:
        yield worker
    finally:
        worker.stop()
        slot.release()


@contextmanager
def confluent_worker_on(
    road: Road, *, settings: ConsumerSettings | None = None, deadline_s: float = 20.0
) -> Iterator[Worker]:
    """As `worker_on`, over confluent-kafka."""
    from worker.kafka.confluent.publisher import ConfluentTransactionalPublisher

    slot = TransactionalIdSlot(road.group_id)
    source = adapters("confluent-kafka").source(road.connection, settings or road.settings(), commits=False)
    publisher = ConfluentTransactionalPublisher(
        road.connection, road.producer_settings(), group_id=road.group_id, slot=slot, deadline_s=deadline_s
    )
    worker = Worker(source, publisher)
    try:
        yield worker
    finally:
        worker.stop()
        slot.release()


@contextmanager
def at_least_once_worker_on(road: Road) -> Iterator[Worker]:
    """One without transactions, not started; stopped at the end."""
    worker = Worker(road.source(commits=True), road.flushing())
    try:
        yield worker
    finally:
        worker.stop()


def until(condition: Callable[[], bool], *, turn: Callable[[], object] = lambda: time.sleep(0.02)) -> None:
    """Wait for the condition, moving things on by `turn`."""
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true"
        turn()


def numbers(stored: Sequence[Stored]) -> list[int]:
    """In the order they are stored."""
    return [int(record.value or b"-1") for record in stored]


def in_order(stored: Sequence[Stored]) -> bool:
    """Whether the numbers rise in every partition."""
    last: dict[int, int] = {}
    for record, number in zip(stored, numbers(stored), strict=True):
        if number <= last.get(record.partition, -1):
            return False
        last[record.partition] = number
    return True
