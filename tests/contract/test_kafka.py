"""The Kafka adapters, held to the contracts on a real broker."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, closing

import pytest
from kafka import KafkaConsumer, TopicPartition

from tests.conftest import Topics
from tests.contract.kafka_harness import PARTITIONS, Harness, Seen, Written
from tests.contract.publisher_contract import PublisherContract
from tests.contract.source_contract import SourceContract
from tests.kafka_io import ToSend, committed_offsets, produce
from worker.devbroker.jvm import JvmBroker
from worker.kafka.client_defects import accept_any_header_name
from worker.kafka.clients import Adapters, adapters
from worker.kafka.connection import Connection
from worker.kafka.consumer import ConsumerSettings, StartFrom
from worker.kafka.producer import ProducerSettings
from worker.kafka.slots import TransactionalIdSlot
from worker.ports import Publisher, Source
from worker.records import Destination

MAX_MESSAGE_BYTES = 1_048_588
CLIENTS = ["kafka-python", "confluent-kafka"]


class KafkaHarness:
    """Fresh topics and a fresh group on the session's broker."""

    def __init__(self, broker: JvmBroker, topics: Topics, client: Adapters) -> None:
        self._client = client
        self.topic = topics("texts", partitions=PARTITIONS)
        self._outgoing = {each: topics(each.value, partitions=PARTITIONS) for each in Destination}
        self._servers = broker.bootstrap_servers
        self._connection = Connection((broker.bootstrap_servers,))
        self._group = f"group-{uuid.uuid4().hex[:10]}"
        self._closing = ExitStack()

    def write(self, records: Iterable[Written]) -> None:
        sent = [ToSend(each.value, each.key, each.headers, each.partition) for each in records]
        produce(self._servers, self.topic, sent)

    def source(self, *, commits: bool = False, latest: bool = False) -> Source:
        start_from = StartFrom.LATEST if latest else StartFrom.EARLIEST
        settings = ConsumerSettings((self.topic,), self._group, start_from=start_from)
        source = self._client.source(self._connection, settings, commits=commits)
        self._closing.callback(source.close, timeout_s=6)
        return source

    def publisher(self, *, transactional: bool = True) -> Publisher:
        settings = ProducerSettings(self._outgoing, MAX_MESSAGE_BYTES)
        slot = TransactionalIdSlot(self._group) if transactional else None
        publisher = self._client.publisher(self._connection, settings, group_id=self._group, slot=slot)
        if slot is not None:
            self._closing.callback(slot.release)
        self._closing.callback(publisher.close, timeout_s=6)
        return publisher

    def read(self, destination: Destination) -> list[Seen]:
        """With kafka-python: the other client cannot read header names that are not UTF-8."""
        accept_any_header_name()
        topic = self._outgoing[destination]
        with closing(KafkaConsumer(bootstrap_servers=self._servers, isolation_level="read_committed")) as consumer:
            partitions = [TopicPartition(topic, number) for number in range(PARTITIONS)]
            consumer.assign(partitions)
            consumer.seek_to_beginning()
            ends = consumer.end_offsets(partitions)
            found: list[Seen] = []
            while any(consumer.position(partition) < ends[partition] for partition in partitions):
                for batch in consumer.poll(timeout_ms=100).values():
                    found += [Seen(each.partition, each.key, each.value, tuple(each.headers)) for each in batch]
        return sorted(found, key=lambda seen: seen.partition)

    def committed(self) -> dict[int, int]:
        found = committed_offsets(self._servers, self._group, self.topic)
        return {partition: offset for partition, offset in found.items() if offset is not None}

    def close(self) -> None:
        self._closing.close()


@pytest.fixture
def harness(jvm_broker: JvmBroker, topics: Topics, client: str) -> Iterator[Harness]:
    made = KafkaHarness(jvm_broker, topics, adapters(client))
    yield made
    made.close()


@pytest.mark.broker
@pytest.mark.parametrize("client", CLIENTS)
class TestKafkaSource(SourceContract):
    """The sources over both clients."""


@pytest.mark.broker
@pytest.mark.parametrize("client", CLIENTS)
class TestKafkaPublishers(PublisherContract):
    """The transactional and the flushing publishers over both clients."""
