"""The tests' own reader and writer, checked on the real broker before anything is checked with them."""

from __future__ import annotations

import uuid

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition

from tests.conftest import Topics
from tests.kafka_io import ToSend, committed_offsets, end_offsets, produce, read_topic
from worker.devbroker.jvm import JvmBroker

pytestmark = pytest.mark.broker


def test_records_come_back_as_they_were_written(jvm_broker: JvmBroker, topics: Topics) -> None:
    """Key, value, headers and null values are read back byte for byte, in partition and offset order."""
    topic = topics("texts", partitions=2)
    sent = [
        ToSend(b"one", key=b"k", headers=[("h", b"1"), ("h", b"2"), ("none", None)], partition=1),
        ToSend(None, key=b"\xff", partition=0, timestamp_ms=1234),
        ToSend(b"two", partition=1),
    ]

    positions = produce(jvm_broker.bootstrap_servers, topic, sent)

    stored = read_topic(jvm_broker.bootstrap_servers, topic)
    assert [(1, 0), (0, 0), (1, 1)] == positions
    assert [(0, 0, b"\xff", None), (1, 0, b"k", b"one"), (1, 1, None, b"two")] == [
        (record.partition, record.offset, record.key, record.value) for record in stored
    ]
    assert (("h", b"1"), ("h", b"2"), ("none", None)) == stored[1].headers
    assert 1234 == stored[0].timestamp_ms


def test_isolation_decides_what_is_read(jvm_broker: JvmBroker, topics: Topics) -> None:
    """Aborted records are hidden read-committed and there read-uncommitted; markers are never records."""
    topic = topics("texts", partitions=1)
    producer = Producer({"bootstrap.servers": jvm_broker.bootstrap_servers, "transactional.id": uuid.uuid4().hex})
    producer.init_transactions(30)
    for value, keep in [(b"aborted", False), (b"committed", True)]:
        producer.begin_transaction()
        producer.produce(topic, value)
        producer.commit_transaction(30) if keep else (producer.flush(30), producer.abort_transaction(30))

    committed = read_topic(jvm_broker.bootstrap_servers, topic)
    everything = read_topic(jvm_broker.bootstrap_servers, topic, read_committed=False)

    assert [b"committed"] == [record.value for record in committed]
    assert [b"aborted", b"committed"] == [record.value for record in everything]
    assert {0: 4} == end_offsets(jvm_broker.bootstrap_servers, topic)


def test_committed_offsets_of_a_group(jvm_broker: JvmBroker, topics: Topics, group_id: str) -> None:
    """A partition without a commit is None, others give the next offset."""
    topic = topics("texts", partitions=2)
    consumer = Consumer({"bootstrap.servers": jvm_broker.bootstrap_servers, "group.id": group_id})
    consumer.commit(offsets=[TopicPartition(topic, 1, 7)], asynchronous=False)
    consumer.close()

    offsets = committed_offsets(jvm_broker.bootstrap_servers, group_id, topic)

    assert {0: None, 1: 7} == offsets
