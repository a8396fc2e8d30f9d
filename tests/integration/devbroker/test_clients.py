"""The demo's small clients on a real broker."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient

from tests.conftest import Topics, fresh
from tests.kafka_io import ToSend, produce
from worker.devbroker.clients import TopicReader, write
from worker.devbroker.topics import delete_group, delete_topics
from worker.errors import BrokerRefused
from worker.records import Record

pytestmark = pytest.mark.broker


def read(topics: Topics, *names: str) -> list[Record]:
    with closing(TopicReader(topics.bootstrap_servers, names)) as reader:
        return [record for records in reader.rest() for record in records]


@contextmanager
def transaction(topics: Topics) -> Iterator[Producer]:
    producer = Producer({"bootstrap.servers": topics.bootstrap_servers, "transactional.id": fresh("demo")})
    producer.init_transactions(10)
    producer.begin_transaction()
    yield producer
    producer.flush(10)


def test_what_is_written_is_read_at_its_place(topics: Topics) -> None:
    """More than one batch of it, tombstones too; the places are those that a reader finds."""
    topic = topics()
    sent = [(b"%d" % number, b"value" if number % 10 else None) for number in range(6000)]

    places = [place for batch in write(topics.bootstrap_servers, topic, sent) for place in batch]

    found = {(record.partition, record.offset): (record.key, record.value) for record in read(topics, topic)}
    assert dict(zip(places, sent, strict=True)) == found


def test_several_topics_are_read_to_their_ends(topics: Topics) -> None:
    """Each partition in its order; an empty topic is no obstacle."""
    one, two, empty = topics(), topics(), topics()
    for topic in (one, two):
        produce(topics.bootstrap_servers, topic, [ToSend(b"%d" % n, partition=1) for n in range(100)])

    found = read(topics, one, two, empty)

    for topic in (one, two):
        assert [b"%d" % n for n in range(100)] == [record.value for record in found if record.topic == topic]


def test_only_what_is_committed_is_read(topics: Topics) -> None:
    """Aborted records are hidden, and the marks at the ends of transactions do not keep the reader waiting."""
    topic = topics()
    with transaction(topics) as producer:
        producer.produce(topic, b"committed", partition=0)
        producer.commit_transaction(10)
    with transaction(topics) as producer:
        producer.produce(topic, b"aborted", partition=0)
        producer.flush(10)
        producer.abort_transaction(10)

    assert [b"committed"] == [record.value for record in read(topics, topic)]


def test_polling_follows_a_growing_topic(topics: Topics) -> None:
    """What comes later is seen later, once."""
    topic = topics()
    with closing(TopicReader(topics.bootstrap_servers, [topic])) as reader:
        produce(topics.bootstrap_servers, topic, [ToSend(b"one")])
        first = _polled(reader)
        produce(topics.bootstrap_servers, topic, [ToSend(b"two")])
        second = _polled(reader)

    assert ([b"one"], [b"two"]) == (first, second)


def test_topics_and_groups_can_be_removed(topics: Topics) -> None:
    """Both are gone; what never was is refused in one line."""
    topic = topics()

    delete_topics(topics.bootstrap_servers, [topic])

    assert topic not in AdminClient({"bootstrap.servers": topics.bootstrap_servers}).list_topics(timeout=10).topics
    with pytest.raises(BrokerRefused, match="could not be deleted"):
        delete_topics(topics.bootstrap_servers, [topics.missing()])
    with pytest.raises(BrokerRefused, match="could not be deleted"):
        delete_group(topics.bootstrap_servers, fresh("group"))


def _polled(reader: TopicReader) -> list[bytes | None]:
    while not (records := reader.poll(timeout_s=0.5)):
        pass
    return [record.value for record in records]
