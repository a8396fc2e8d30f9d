"""The mock cluster serves an at-least-once worker's clients, and says what it cannot."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from kafka import KafkaConsumer, KafkaProducer

from tests.conftest import fresh
from tests.kafka_io import ToSend, produce, read_topic
from worker.devbroker import DevBrokerUnavailable, start
from worker.devbroker.embedded import EmbeddedBroker
from worker.devbroker.kinds import DevBroker


@pytest.fixture
def embedded() -> Iterator[DevBroker]:
    with start("embedded", report=lambda _line: None) as broker:
        yield broker


def test_it_serves_at_least_once(embedded: DevBroker) -> None:
    """What confluent-kafka writes with acknowledgement is read back in partition order."""
    topic = fresh("texts")
    embedded.create_topics({topic: 4})

    produce(embedded.bootstrap_servers, topic, [ToSend(b"%d" % n, partition=n % 2) for n in range(4)])

    stored = read_topic(embedded.bootstrap_servers, topic)
    assert [(0, b"0"), (0, b"2"), (1, b"1"), (1, b"3")] == [(record.partition, record.value) for record in stored]
    assert not embedded.transactional


def test_kafka_python_reads_it_in_a_group(embedded: DevBroker) -> None:
    """With the options given for it, kafka-python writes, joins a group, reads and commits."""
    topic = fresh("texts")
    embedded.create_topics({topic: 4})
    producer = KafkaProducer(bootstrap_servers=embedded.bootstrap_servers, api_version=embedded.api_version)
    producer.send(topic, b"one", partition=2).get(10)
    producer.close()
    consumer = KafkaConsumer(
        topic,
        bootstrap_servers=embedded.bootstrap_servers,
        group_id="group",
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        api_version=embedded.api_version,
    )

    record = next(consumer)
    consumer.commit()

    offsets = {tp.partition: consumer.committed(tp) for tp in consumer.assignment()}
    consumer.close(autocommit=False)
    assert (2, 0, b"one") == (record.partition, record.offset, record.value)
    assert 1 == offsets[2]


def test_it_says_that_it_is_at_least_once_only() -> None:
    """Whoever starts it is told before anything is written."""
    lines: list[str] = []

    with start("embedded", report=lines.append):
        pass

    assert "at-least-once only" in lines[0]


def test_it_cannot_take_a_port() -> None:
    """A port asked for is refused, not ignored."""
    with pytest.raises(DevBrokerUnavailable, match="cannot take a port"):
        EmbeddedBroker.start(port=9092, report=lambda _line: None)


def test_another_number_of_partitions_is_refused(embedded: DevBroker) -> None:
    """The mock gives four; a test of order over eight must not run on four unawares."""
    with pytest.raises(DevBrokerUnavailable, match="4 partitions, not 8"):
        embedded.create_topics({"texts": 8})


def test_nothing_listens_after_close(embedded: DevBroker) -> None:
    """The port is free again; a second close is harmless."""
    embedded.close()
    embedded.close()

    with pytest.raises(DevBrokerUnavailable, match="nothing listens"):
        start(embedded.bootstrap_servers, report=lambda _line: None)
