"""The shipped fakes, held to the same contracts as Kafka."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from tests.contract.kafka_harness import PARTITIONS, Harness, Seen, Written
from tests.contract.publisher_contract import PublisherContract
from tests.contract.source_contract import SourceContract
from worker.ports import Publisher, Source
from worker.records import Destination, TopicPartition
from worker.testing import FakeBroker, FakeClock, FakePublisher, FakeSource


class FakeHarness:
    """A broker in memory."""

    topic = "texts"

    def __init__(self) -> None:
        self._outgoing = {each: each.value for each in Destination}
        self._broker = FakeBroker(topics=dict.fromkeys([self.topic, *self._outgoing.values()], PARTITIONS))

    def write(self, records: Iterable[Written]) -> None:
        for each in records:
            partition = TopicPartition(self.topic, each.partition)
            self._broker.append(partition, key=each.key, value=each.value, headers=each.headers)

    def source(self, *, commits: bool = False, latest: bool = False) -> Source:
        return FakeSource(
            self._broker,
            group="group",
            topics=[self.topic],
            clock=FakeClock(),
            commits=commits,
            start_from_latest=latest,
        )

    def publisher(self, *, transactional: bool = True) -> Publisher:
        return FakePublisher(self._broker, group="group", topics=self._outgoing, transactional=transactional)

    def read(self, destination: Destination) -> list[Seen]:
        stored = self._broker.topic(self._outgoing[destination])
        return [Seen(each.partition, each.key, each.value, each.headers) for each in stored]

    def committed(self) -> dict[int, int]:
        return {partition.partition: offset for partition, offset in self._broker.committed("group").items()}


@pytest.fixture
def harness() -> Harness:
    return FakeHarness()


class TestFakeSource(SourceContract):
    """`FakeSource`."""


class TestFakePublisher(PublisherContract):
    """`FakePublisher`, with and without transactions."""
