"""The adapters over confluent-kafka on a real broker: what librdkafka does that the contracts do not ask for."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest
from confluent_kafka import KafkaException
from kafka.admin import ACLOperation as Operation
from kafka.admin import ResourceType

from tests.chaos.proxy import Mode
from tests.chaos.site import Site
from tests.conftest import Topics, fresh
from tests.integration.kafka.secure import SecureBroker
from tests.integration.kafka.test_client_defects import LARGE, SMALL_LIMIT_BYTES, shrink
from tests.integration.kafka.workers import Road, Worker, confluent_worker_on, numbers, until, wave
from tests.kafka_io import ToSend, committed_offsets, produce, read_topic
from worker.clock import Deadline, SystemClock
from worker.devbroker.jvm import JvmBroker
from worker.devbroker.topics import create_topics
from worker.errors import BrokerRefused, PublishFailed
from worker.kafka.client_defects import accept_any_header_name
from worker.kafka.clients import adapters
from worker.kafka.confluent.producer import Sender
from worker.kafka.confluent.publisher import ConfluentFlushingPublisher, ConfluentTransactionalPublisher
from worker.kafka.connection import Connection
from worker.kafka.consumer import ConsumerSettings
from worker.kafka.encoding import client_headers
from worker.kafka.producer import ProducerSettings, open_producer
from worker.kafka.slots import TransactionalIdSlot
from worker.ports import Polled, Source
from worker.records import Destination, Membership, Outgoing, Publication, Record

pytestmark = pytest.mark.broker

CLIENT = adapters("confluent-kafka")
UNDECODABLE = "\udcff\udcfe"


@contextmanager
def source_on(connection: Connection, topic: str, group_id: str) -> Iterator[Source]:
    source = CLIENT.source(connection, ConsumerSettings((topic,), group_id), commits=False)
    try:
        yield source
    finally:
        source.close(timeout_s=6)


def rewound(source: Source) -> Polled:
    """One poll; after a rebalance the source is rewound."""
    polled = source.poll(timeout_s=0.1)
    if polled.rebalanced:
        source.rewind()
    return polled


def read(source: Source, count: int) -> tuple[list[Record], Membership]:
    """Poll until that many records were handed out since the last rewind."""
    records: list[Record] = []
    memberships: list[Membership] = []

    def turn() -> None:
        polled = rewound(source)
        if polled.rebalanced:
            records.clear()
        records.extend(polled.records)
        if polled.membership is not None:
            memberships.append(polled.membership)

    until(lambda: len(records) >= count, turn=turn)
    return records, memberships[-1]


class TestHeaderNames:
    """A name that is not UTF-8 would end the process, read or written."""

    def test_such_records_are_read_whole_and_in_their_place(self, topics: Topics) -> None:
        """Many of them, among others, so that the client's calls are hot."""
        road = Road.made(topics, partitions=1)
        names = [UNDECODABLE if number % 10 == 5 else "plain" for number in range(100)]
        producer = open_producer(road.connection, road.producer_settings())
        sent = [
            producer.send(road.input, str(n).encode(), headers=client_headers([(name, b"x")] * 2), partition=0)
            for n, name in enumerate(names)
        ]
        for future in sent:
            future.get(20)
        producer.close(timeout=5)

        with source_on(road.connection, road.input, road.group_id) as source:
            records, _ = read(source, 100)

        assert [((name, b"x"),) * 2 for name in names] == [record.headers for record in records]
        assert [str(n).encode() for n in range(100)] == [record.value for record in records]

    @pytest.mark.parametrize("kind", ["transactional", "flushing"])
    def test_such_a_wave_goes_out_among_others(self, topics: Topics, kind: str) -> None:
        """Between two usual ones, with its offsets, under the same membership."""
        accept_any_header_name()
        road = Road.made(topics, partitions=1)
        road.write(range(3))
        slot = TransactionalIdSlot(road.group_id) if kind == "transactional" else None
        publisher = CLIENT.publisher(road.connection, road.producer_settings(), group_id=road.group_id, slot=slot)
        with source_on(road.connection, road.input, road.group_id) as source:
            records, membership = read(source, 3)
            for record, name in zip(records, ("plain", UNDECODABLE, "plain"), strict=True):
                usual = wave([record], membership)
                sent = [replace(each, headers=((name, b"x"),)) for each in usual.outgoing]

                publisher.publish(replace(usual, outgoing=sent))
        publisher.close(timeout_s=6)
        if slot is not None:
            slot.release()

        with source_on(road.connection, road.output, fresh("group")) as source:
            seen, _ = read(source, 3)
        assert ["plain", UNDECODABLE, "plain"] == [record.headers[0][0] for record in seen]
        expected = {0: 3} if kind == "transactional" else {0: None}
        assert expected == committed_offsets(road.servers, road.group_id, road.input)


class TestTransactions:
    """What makes it safe to ask for no delivery reports but those of failures."""

    def test_a_transaction_with_a_failed_record_cannot_be_committed(self, topics: Topics) -> None:
        """The client itself refuses, and nothing of it is seen."""
        topic = topics("out", partitions=1, configs={"max.message.bytes": str(SMALL_LIMIT_BYTES)})
        connection = Connection((topics.bootstrap_servers,))
        settings = ProducerSettings({Destination.OUTPUT: topic}, 1_000_000)
        sender = Sender(connection, settings, transactional_id=fresh("id"))
        deadline = Deadline.after(20, SystemClock())
        record = Record("in", 0, 0, 0, None, None)
        sender.initialise(10)
        sender.begin()
        sizes = (10, 4 * SMALL_LIMIT_BYTES)
        sender.send_all([Outgoing(Destination.OUTPUT, None, noise(each), (), record) for each in sizes], deadline)

        with pytest.raises(KafkaException) as refused:
            sender.commit(deadline)

        assert refused.value.args[0].txn_requires_abort()
        assert 1 <= len(sender.failed)
        sender.give_up(busy=False)
        assert [] == read_topic(topics.bootstrap_servers, topic, read_committed=False)[2:]
        assert [] == read_topic(topics.bootstrap_servers, topic)

    def test_after_a_refused_record_the_next_transaction_is_clean(self, topics: Topics) -> None:
        """A topic that takes less than it did refuses a wave; the limit is learned, and the next wave passes."""
        road = Road.made(topics, partitions=1)
        road.write(range(10))
        with confluent_worker_on(road) as worker:
            until(lambda: worker.published == 10, turn=worker.turn)
            shrink(road.servers, road.output, max_message_bytes=SMALL_LIMIT_BYTES)
            road.write([LARGE])
            with pytest.raises(PublishFailed):
                worker.publisher.publish(polled_wave(worker))

            fits = worker.publisher.fits(key=None, value=bytes(3_000), headers=())
            worker.source.rewind()
            worker.publisher.publish(replace(polled_wave(worker), outgoing=[]))
            road.write([11])
            until(lambda: worker.published == 11, turn=worker.turn)

        assert not fits
        assert [*range(10), 11] == numbers(road.read())

    def test_reset_connections_hold_nothing_up(self, fragile_site: Site) -> None:
        """Whatever call was under way: the client may never end it, the publisher does."""
        road = Road.made(Topics(fragile_site.direct), partitions=1)
        proxied = Connection((fragile_site.proxied,))
        road.write(range(2000))
        slot = TransactionalIdSlot(road.group_id)
        source = CLIENT.source(proxied, road.settings(max_poll_records=20), commits=False)
        worker = Worker(source, CLIENT.publisher(proxied, road.producer_settings(), group_id=road.group_id, slot=slot))
        worker.start()
        try:
            for published in range(100, 2000, 200):
                until(lambda published=published: worker.published >= published)  # type: ignore[misc]
                for route in fragile_site.routes:
                    route.behave(Mode.PASS)
                    route.cut()
            until(lambda: len(road.read()) >= 2000)
        finally:
            worker.stop()
            slot.release()

        assert list(range(2000)) == numbers(road.read())


def noise(size: int) -> bytes:
    """Bytes that do not compress."""
    import random

    return random.Random(1).randbytes(size)


def polled_wave(worker: Worker) -> Publication:
    """What the next poll with records brings."""
    found: list[Polled] = []

    def turn() -> None:
        polled = rewound(worker.source)
        found.extend([polled] if polled.records else [])

    until(lambda: bool(found), turn=turn)
    membership = found[0].membership
    assert membership is not None
    return wave(found[0].records, membership)


def test_a_member_whose_broker_is_gone_has_not_joined(fragile_broker: JvmBroker, fragile_topics: Topics) -> None:
    """At the latest when its session is over; and it joins again by itself."""
    road = Road.made(fragile_topics, partitions=1)
    road.write([1])
    with source_on(road.connection, road.input, road.group_id) as source:
        read(source, 1)
        before = source.joined()

        fragile_broker.kill()
        try:
            until(lambda: not source.joined(), turn=lambda: rewound(source))
        finally:
            fragile_broker.restart()

        until(source.joined, turn=lambda: rewound(source))

    assert before


class TestSecured:
    """TLS, logins and permissions."""

    @pytest.mark.parametrize("way", ["scram", "mtls"])
    def test_records_go_through(self, secure_broker: SecureBroker, way: str) -> None:
        """Read, published and committed, with a password over TLS and with a certificate."""
        connection, user = (
            (secure_broker.scram(), "User:svc-worker") if way == "scram" else (secure_broker.mtls(), "User:CN=worker")
        )
        servers = secure_broker.broker.bootstrap_servers
        road = Road.made(Topics(servers), partitions=1)
        for topic in (road.input, road.output):
            operations = [Operation.READ, Operation.WRITE, Operation.DESCRIBE]
            secure_broker.allow(operations, ResourceType.TOPIC, topic, principal=user)
        secure_broker.allow([Operation.READ], ResourceType.GROUP, road.group_id, principal=user)
        secure_broker.allow(
            [Operation.WRITE, Operation.DESCRIBE],
            ResourceType.TRANSACTIONAL_ID,
            f"emostream-{road.group_id}-",
            principal=user,
            prefixed=True,
        )
        road.write(range(10))
        slot = TransactionalIdSlot(road.group_id)
        publisher = ConfluentTransactionalPublisher(
            connection, road.producer_settings(), group_id=road.group_id, slot=slot
        )
        with source_on(connection, road.input, road.group_id) as source:
            publisher.publish(wave(*read(source, 10)))
        publisher.close(timeout_s=6)
        slot.release()

        assert list(range(10)) == numbers(road.read())

    def test_a_topic_that_may_not_be_written(self, secure_broker: SecureBroker) -> None:
        """Trying on is pointless, and one line says what to grant."""
        servers = secure_broker.broker.bootstrap_servers
        topic = fresh("out")
        create_topics(servers, {topic: 1})
        publisher = ConfluentFlushingPublisher(
            secure_broker.scram(), ProducerSettings({Destination.OUTPUT: topic}, 1_000_000), group_id="g"
        )
        record = Record("in", 0, 0, 0, None, None)
        publication = Publication([Outgoing(Destination.OUTPUT, b"k", b"v", (), record)], {}, Membership(1, "m", b""))

        with pytest.raises(BrokerRefused, match="no permission on"):
            publisher.publish(publication)
        publisher.close(timeout_s=6)

    def test_permission_withdrawn(self, secure_broker: SecureBroker) -> None:
        """What cannot mend itself ends the worker instead of keeping it busy."""
        servers, group_id = secure_broker.broker.bootstrap_servers, fresh("group")
        topic = Topics(servers)("texts", partitions=1)
        secure_broker.allow([Operation.READ, Operation.DESCRIBE], ResourceType.TOPIC, topic)
        secure_broker.allow([Operation.READ], ResourceType.GROUP, group_id)
        produce(servers, topic, [ToSend(b"1", partition=0)])
        with source_on(secure_broker.scram(), topic, group_id) as source:
            read(source, 1)
            secure_broker.withdraw([Operation.READ], ResourceType.TOPIC, topic)

            with pytest.raises(BrokerRefused, match="no permission on topic"):
                until(lambda: False, turn=lambda: rewound(source))
