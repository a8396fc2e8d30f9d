"""Defects of the Kafka client on a real broker: what they would do to the worker, and that they do not.

The numbers are those of docs/reliability.md. `python -m tests.integration.kafka.mutations` takes each mitigation out
and shows that a test fails then.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
from confluent_kafka import Consumer as OtherConsumer
from confluent_kafka import ConsumerGroupTopicPartitions
from confluent_kafka import Producer as OtherProducer
from confluent_kafka import TopicPartition as OtherPartition
from confluent_kafka.admin import AdminClient, NewPartitions
from kafka import KafkaConsumer, KafkaProducer
from kafka.errors import KafkaTimeoutError
from kafka.structs import MemberState
from kafka.structs import TopicPartition as ClientPartition

from tests.chaos.proxy import Mode
from tests.chaos.site import Site
from tests.conftest import Topics, fresh
from tests.integration.kafka.workers import (
    Road,
    Worker,
    at_least_once_worker_on,
    in_order,
    numbers,
    until,
    wave,
    worker_on,
)
from tests.kafka_io import committed_offsets
from worker.devbroker.jvm import JvmBroker
from worker.devbroker.ports import free_ports
from worker.devbroker.topics import delete_topics
from worker.errors import OutcomeUnknown, PublishFailed
from worker.kafka import consumer as consumer_module
from worker.kafka import producer as producer_module
from worker.kafka import settling, watchdog
from worker.kafka.client_defects import stop_sending
from worker.kafka.connection import Connection
from worker.kafka.consumer import ConsumerSettings, opening_consumer
from worker.kafka.encoding import client_headers
from worker.kafka.opening import open_now
from worker.kafka.producer import open_producer
from worker.kafka.settling import Unsettled
from worker.kafka.source import KafkaSource
from worker.ports import Polled
from worker.records import Record

pytestmark = pytest.mark.broker

# digits that do not compress below the limit of the topics that are shrunk
LARGE = random.Random(1).randrange(10**2_999, 10**3_000)
SMALL_LIMIT_BYTES = 1_000
FEW_GENERATIONS = 3


def assert_exactly(count: int, road: Road) -> None:
    stored = road.read()
    assert list(range(count)) == sorted(numbers(stored))
    assert in_order(stored)
    committed = committed_offsets(road.servers, road.group_id, road.input)
    assert count == sum(offset or 0 for offset in committed.values())


@contextmanager
def closed_at_the_end(source: KafkaSource) -> Iterator[KafkaSource]:
    try:
        yield source
    finally:
        source.close(timeout_s=6)


def read(source: KafkaSource, count: int, *, timeout_s: float = 0.1, busy_s: float = 0.0) -> list[Record]:
    """Poll until that many records were handed out since the last rewind. `busy_s`: elsewhere, between two polls."""
    records: list[Record] = []

    def turn() -> None:
        polled = source.poll(timeout_s=timeout_s)
        time.sleep(busy_s)
        if polled.rebalanced:
            records.clear()
            source.rewind()
        records.extend(polled.records)

    until(lambda: len(records) >= count, turn=turn)
    return records


def polled_by(worker: Worker) -> Polled:
    """The next records, not published yet."""
    found: list[Polled] = []

    def turn() -> None:
        polled = worker.source.poll(timeout_s=0.1)
        if polled.records:
            found.append(polled)
        else:
            worker.handle(polled)

    until(lambda: bool(found), turn=turn)
    return found[0]


def caught_up(worker: Worker) -> None:
    until(lambda: worker.source.caught_up(worker.source.end_offsets()), turn=worker.turn)


@pytest.fixture
def short_timeouts(monkeypatch: pytest.MonkeyPatch) -> None:
    """The client gives an answer up after a second, and a record after one and a half."""
    monkeypatch.setattr(producer_module, "REQUEST_TIMEOUT_MS", 1_000)
    monkeypatch.setattr(producer_module, "DELIVERY_TIMEOUT_MS", 1_500)


@contextmanager
def hurt(site: Site, mode: Mode, *, for_s: float) -> Iterator[None]:
    """The network misbehaves from now on for so long, and ends with a reset unless it only stalled."""

    def mend() -> None:
        for route in site.routes:
            route.behave(Mode.PASS)
            if mode is not Mode.STALL:
                route.cut()

    for route in site.routes:
        route.behave(mode)
    mending = threading.Timer(for_s, mend)
    mending.start()
    try:
        yield
    finally:
        mending.join()


@contextmanager
def slow_network(site: Site, *, delay_s: float) -> Iterator[None]:
    """What is sent takes that long, in both directions."""
    (route,) = site.routes
    route.behave(Mode.DELAY, delay_s=delay_s)
    try:
        yield
    finally:
        route.behave(Mode.PASS)


def grow(site: Site, topic: str, partitions: int) -> None:
    admin = AdminClient({"bootstrap.servers": site.direct})
    admin.create_partitions([NewPartitions(topic, partitions)])[topic].result(30)


def proxied(site: Site, *, partitions: int = 1) -> Road:
    road = Road.made(Topics(site.direct), partitions=partitions)
    return replace(road, servers=site.proxied)


class TestTransactions:
    """D1 to D7, D11, D12, D15, D22: what the producer does with a transaction that did not go well."""

    @pytest.mark.usefixtures("short_timeouts")
    def test_a_record_that_expires_fails_its_wave(self, fragile_site: Site) -> None:
        """D1, D2: the client would commit the transaction, and the offsets in it, without the record."""
        road = proxied(fragile_site)
        road.write(range(10))
        with worker_on(road) as worker:
            until(lambda: worker.published == 10, turn=worker.turn)
            swallow_the_last_record(worker, fragile_site)
            road.write(range(10, 20))

            until(lambda: bool(worker.failures) or worker.published == 20, turn=worker.turn)
            caught_up(worker)

        assert [PublishFailed] == [type(error) for error in worker.failures][:1]
        assert_exactly(20, road)

    @pytest.mark.usefixtures("short_timeouts")
    def test_an_answer_that_comes_too_late_costs_one_producer(self, fragile_site: Site) -> None:
        """D4: the commit happens, its answer comes after the client's time-out, and its producer is of no use again."""
        road = proxied(fragile_site)
        road.write(range(10))
        with worker_on(road) as worker:
            until(lambda: worker.published == 10, turn=worker.turn)
            stall_the_next_commit(worker, fragile_site)
            road.write(range(10, 20))

            until(lambda: bool(worker.failures), turn=worker.turn)
            road.write(range(20, 30))
            caught_up(worker)

        assert [OutcomeUnknown] == [type(error) for error in worker.failures][:1]
        assert_exactly(30, road)

    def test_an_open_transaction_is_ended_by_the_next_producer(
        self, topics: Topics, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """D5, D21: nobody else would end it before its time-out, and until then its offsets cannot be read."""
        monkeypatch.setattr(producer_module, "TRANSACTION_TIMEOUT_MS", 600_000)
        road = Road.made(topics, partitions=1)
        road.write(range(10))
        with worker_on(road) as worker:
            until(lambda: worker.published == 10, turn=worker.turn)
            polled = lose_before_the_commit(worker, road)

            worker.handle(polled)

            caught_up(worker)

        assert_exactly(20, road)

    def test_after_a_refused_record_the_next_transaction_is_clean(self, topics: Topics) -> None:
        """D7, D15: a topic that takes less than it did refuses a wave; the next one has a producer of its own."""
        road = Road.made(topics, partitions=1)
        road.write(range(10))
        with worker_on(road) as worker:
            until(lambda: worker.published == 10, turn=worker.turn)
            shrink(road.servers, road.output, max_message_bytes=SMALL_LIMIT_BYTES)
            road.write([LARGE])
            with pytest.raises(PublishFailed):
                worker.publisher.publish(wave_of(polled_by(worker)))

            fits = worker.publisher.fits(key=None, value=bytes(3_000), headers=())
            worker.publisher.publish(replace(wave_of(polled_again(worker)), outgoing=[]))
            road.write([11])
            worker.publisher.publish(wave_of(polled_by(worker)))

        assert not fits
        assert [*range(10), 11] == numbers(road.read())

    def test_offsets_of_a_topic_that_is_gone_end_at_the_deadline(self, topics: Topics) -> None:
        """D12: the client would ask for ever. The source then says which topic is missing (test_source)."""
        road = Road.made(topics, partitions=1)
        road.write(range(10))
        with worker_on(road, deadline_s=3) as worker:
            until(lambda: worker.published == 10, turn=worker.turn)
            road.write(range(10, 20))
            polled = polled_by(worker)
            delete_topics(road.servers, [road.input])

            worker.handle(polled)

        assert [PublishFailed] == [type(error) for error in worker.failures]

    def test_a_coordinator_that_dies_with_our_question(self, three_nodes: Site) -> None:
        """D3: the client waits for ever for its answer, although there is a new coordinator."""
        road = Road.made(Topics(three_nodes.direct), partitions=1)
        road.write(range(10))
        with worker_on(road) as worker:
            until(lambda: worker.published == 10, turn=worker.turn)
            node = transaction_coordinator(three_nodes, worker)
            kill_during_the_next_commit(worker, three_nodes, node)
            road.write(range(10, 20))

            try:
                until(lambda: bool(worker.failures), turn=worker.turn)
            finally:
                three_nodes.broker.restart(node)
            caught_up(worker)

        assert [OutcomeUnknown] == [type(error) for error in worker.failures][:1]
        assert_exactly(20, road)

    def test_the_client_is_told_to_be_quick(self, topics: Topics) -> None:
        """D11, D17: its own back-offs cost 100 ms for each small transaction, and up to 39 s after an outage."""
        road = Road.made(topics, partitions=1)
        road.write(range(10))
        with worker_on(road) as worker:
            until(lambda: worker.published == 10, turn=worker.turn)

            producing = worker.publisher._producer.config  # type: ignore[attr-defined]
            consuming = worker.source._consumer.config

        assert 20 == producing["retry_backoff_ms"]
        assert [1_000, 1_000] == [each["reconnect_backoff_max_ms"] for each in (producing, consuming)]


class TestMembership:
    """D8 to D10, D16, D18, D19: how the client joins, moves and leaves."""

    def test_impatient_polls_join_too(self, topics: Topics) -> None:
        """D8: polled in steps shorter than a join takes, the client would rebalance its group hundreds of times."""
        road = Road.made(topics, partitions=1)
        road.write(range(10))

        with closed_at_the_end(road.source()) as source:
            read(source, 10, timeout_s=0.0, busy_s=0.05)
            generation = source._consumer.group_metadata().generation_id

        assert generation <= FEW_GENERATIONS

    def test_a_slow_join_for_new_partitions_is_finished(
        self, fragile_site: Site, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """D29: partitions are added, and the answer to the join comes while the member is busy elsewhere."""
        monkeypatch.setattr(consumer_module, "METADATA_MAX_AGE_MS", 1_000)
        road = proxied(fragile_site)
        road.write(range(4))
        with closed_at_the_end(road.source()) as source:
            read(source, 4)
            with slow_network(fragile_site, delay_s=0.1):
                grow(fragile_site, road.input, road.partitions + 1)

                def turn() -> None:
                    turned(source)
                    time.sleep(0.5)

                until(lambda: len(source.assignment()) == road.partitions + 1, turn=turn)

    def test_nothing_is_handed_out_between_two_generations(self, topics: Topics) -> None:
        """D16: while it rebalances, the client tells a new generation and still reads the partitions of the old one."""
        road = Road.made(topics, partitions=1)
        road.write(range(10))
        with closed_at_the_end(road.source()) as source:
            read(source, 10)
            told = source._consumer.group_metadata
            source._consumer.group_metadata = lambda: told()._replace(
                generation_id=told().generation_id + 1, state=MemberState.REBALANCING
            )
            road.write(range(10, 20))

            meanwhile = [turned(source) for _ in range(5)]
            source._consumer.group_metadata = told
            afterwards = read(source, 20)

        assert [[]] * 5 == meanwhile
        assert list(range(20)) == [int(record.value or b"-1") for record in afterwards]

    def test_no_static_membership(self, topics: Topics) -> None:
        """D18: a displaced static member would notice nothing and read nothing."""
        with closed_at_the_end(Road.made(topics).source()) as source:
            until(lambda: source._consumer is not None, turn=lambda: turned(source))

            assert source._consumer.config["group_instance_id"] is None

    def test_leaving_in_a_rebalance_blocks_nobody(self, topics: Topics) -> None:
        """D19: the client's own close waits behind its join, for as long as it is allowed to."""
        road = Road.made(topics, partitions=2)
        road.write(range(2))
        with closed_at_the_end(road.source()) as busy_elsewhere:
            read(busy_elsewhere, 2)
            joining = road.source()
            turned(joining)

            joining.close(timeout_s=0.1)

            leaving = [thread for thread in threading.enumerate() if thread.name == "kafka-leave"]
            for thread in leaving:
                thread.join(20)
        assert leaving


class TestOffsets:
    """D21, D25: what the client says the group has committed."""

    def test_an_offset_in_an_open_transaction_holds_up_its_partition_only(self, topics: Topics) -> None:
        """D21: the client would wait for its end without limit, and the membership would be lost meanwhile."""
        road = Road.made(topics, partitions=2)
        road.write(range(20))
        dead_owner = open_transaction_of(road, ClientPartition(road.input, 0), offset=5)
        with closed_at_the_end(road.source()) as source:
            others = read(source, 10)

            dead_owner.abort_transaction(30)
            until(lambda: len(others) == 20, turn=lambda: others.extend(source.poll(timeout_s=0.1).records))

        assert [1] * 10 == [record.partition for record in others[:10]]
        assert list(range(20)) == sorted(int(record.value or b"-1") for record in others)

    def test_a_late_answer_is_not_taken_for_a_new_one(self, fragile_site: Site) -> None:
        """D25: the client answers the second question with what it got for the first, however old."""
        road = proxied(fragile_site)
        settings = ConsumerSettings((road.input,), road.group_id)
        opening = opening_consumer(road.connection, settings)
        assert opening.wait(30)
        consumer, partition = opening.result(), ClientPartition(road.input, 0)
        try:
            settling.committed(consumer, partition)
            with hurt(fragile_site, Mode.STALL, for_s=1), pytest.raises(Unsettled):
                settling.committed(consumer, partition)
            until(lambda: all(each.is_done for each in consumer._coordinator._offset_fetch_futures.values()))
            commit_elsewhere(road, partition, 7)

            found = settling.committed(consumer, partition)
        finally:
            consumer.close(autocommit=False, timeout_ms=1_000)

        assert found is not None
        assert 7 == found.offset


class TestReading:
    """D23, D26: records that the client would never deliver."""

    def test_a_partition_paused_when_it_was_half_read_is_read_on(
        self, topics: Topics, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """D23: the client forgets the rest of it, without an error; the watchdog is not needed."""
        monkeypatch.setattr(watchdog, "STUCK_AFTER_S", 600)
        road = Road.made(topics, partitions=2)
        written = 0
        with closed_at_the_end(road.source(settings=road.settings(max_poll_records=64))) as source:
            road.write(range(200))
            records = read(source, 64)

            for _ in range(10):
                for number in range(2):
                    source._consumer.pause(ClientPartition(road.input, number))
                    records += source.poll(timeout_s=0.1).records
                source._consumer.resume(*source._consumer.assignment())
                road.write(range(200 + 100 * written, 300 + 100 * written))
                written += 1
            total = 200 + 100 * written
            until(lambda: len(records) == total, turn=lambda: records.extend(source.poll(timeout_s=0.1).records))

        assert list(range(total)) == sorted(int(record.value or b"-1") for record in records)

    def test_header_names_that_are_not_utf8(self, topics: Topics) -> None:
        """D26: such a record, and all behind it, could never be read."""
        road = Road.made(topics, partitions=1)
        producer = open_producer(road.connection, road.producer_settings())
        for name in ("\udcff\udcfe", "plain"):
            producer.send(road.input, b"1", headers=client_headers([(name, b"x")]), partition=0).get(20)
        producer.close(timeout=5)

        with closed_at_the_end(road.source()) as source:
            records = read(source, 2)

        assert ["\udcff\udcfe", "plain"] == [record.headers[0][0] for record in records]


class TestLettingGo:
    """D24, D27: what a client leaves behind."""

    def test_an_abandoned_producer_sends_nothing_more(self, fragile_broker: JvmBroker, fragile_topics: Topics) -> None:
        """D24: closed with unsent records, the client raises and goes on sending."""
        road = Road.made(fragile_topics, partitions=1)
        producer = open_producer(road.connection, road.producer_settings())
        producer.send(road.output, b"1", partition=0).get(20)
        fragile_broker.pause()
        try:
            producer.send(road.output, b"2", partition=0)

            stop_sending(producer)
        finally:
            fragile_broker.resume()

        until(lambda: not producer._sender.is_alive())

    @pytest.mark.parametrize("kind", [KafkaProducer, KafkaConsumer])
    def test_a_client_that_cannot_be_made_leaves_no_thread(self, kind: Callable[..., Any]) -> None:
        """D27: each attempt to connect would leave one behind."""
        (nobody,) = free_ports(1)
        before = set(threading.enumerate())

        with pytest.raises(KafkaTimeoutError):
            open_now(kind, Connection((f"127.0.0.1:{nobody}",)).client_settings(bootstrap_timeout_ms=300))

        until(lambda: set(threading.enumerate()) <= before)


def test_an_at_least_once_worker_needs_no_transaction_of_its_own(topics: Topics) -> None:
    """A record that cannot be written fails its wave there too (D1): its offset is not committed."""
    road = Road.made(topics, partitions=1)
    road.write(range(10))
    with at_least_once_worker_on(road) as worker:
        until(lambda: worker.published == 10, turn=worker.turn)
        shrink(road.servers, road.output, max_message_bytes=SMALL_LIMIT_BYTES)
        road.write([LARGE])

        until(lambda: bool(worker.failures), turn=worker.turn)

    assert {0: 10} == committed_offsets(road.servers, road.group_id, road.input)


def turned(source: KafkaSource) -> list[Record]:
    """What one turn hands out."""
    polled = source.poll(timeout_s=0.1)
    if polled.rebalanced:
        source.rewind()
    return list(polled.records)


def wave_of(polled: Polled) -> Any:
    assert polled.membership is not None
    return wave(polled.records, polled.membership)


def polled_again(worker: Worker) -> Polled:
    """The same records once more, as after every failure."""
    worker.source.rewind()
    return polled_by(worker)


def swallow_the_last_record(worker: Worker, site: Site) -> None:
    """The next publication's first record arrives, what is sent after it does not, and then the network is well."""
    producer: Any = worker.publisher._producer  # type: ignore[attr-defined]
    send, flush = producer.send, producer.flush

    def sent(*arguments: Any, **named: Any) -> Any:
        producer.send = send
        future = send(*arguments, **named)
        flush()
        for route in site.routes:
            route.behave(Mode.SWALLOW)
        return future

    def flushed(**named: Any) -> None:
        producer.flush = flush
        with hurt(site, Mode.SWALLOW, for_s=2):
            flush(**named)

    producer.send, producer.flush = sent, flushed


def stall_the_next_commit(worker: Worker, site: Site) -> None:
    """It reaches the broker at once, but its answer reaches us after the client's time-out."""
    producer: Any = worker.publisher._producer  # type: ignore[attr-defined]
    commit: Callable[[], None] = producer.commit_transaction

    def stalled() -> None:
        with hurt(site, Mode.STALL, for_s=2.5):
            commit()

    producer.commit_transaction = stalled


def lose_before_the_commit(worker: Worker, road: Road) -> Polled:
    """The next publication sends its records and offsets, and fails then."""
    road.write(range(10, 20))
    polled = polled_by(worker)
    producer: Any = worker.publisher._producer  # type: ignore[attr-defined]

    def lost() -> None:
        raise KafkaTimeoutError("the question was lost")

    producer.commit_transaction = lost
    return polled


def kill_during_the_next_commit(worker: Worker, site: Site, node: int) -> None:
    """The node takes the question, hangs, and dies a second later."""
    producer: Any = worker.publisher._producer  # type: ignore[attr-defined]
    commit: Callable[[], None] = producer.commit_transaction

    def unanswered() -> None:
        site.broker.pause(node)
        threading.Timer(1, site.broker.kill, [node]).start()
        commit()

    producer.commit_transaction = unanswered


def transaction_coordinator(site: Site, worker: Worker) -> int:
    """The node that keeps the worker's transactions: the leader of the partition its id hashes to."""
    topic = "__transaction_state"
    found = AdminClient({"bootstrap.servers": site.direct}).list_topics(topic, timeout=20).topics[topic].partitions
    identity = worker.publisher._slot.transactional_id  # type: ignore[attr-defined]
    return int(found[abs(_java_hash(identity)) % len(found)].leader)


def _java_hash(text: str) -> int:
    found = 0
    for character in text:
        found = (31 * found + ord(character)) & 0xFFFFFFFF
    return found - (1 << 32) if found >= 1 << 31 else found


def shrink(servers: str, topic: str, *, max_message_bytes: int) -> None:
    from kafka.admin import ConfigResource, ConfigResourceType, KafkaAdminClient

    admin = KafkaAdminClient(bootstrap_servers=servers)
    change = {"max.message.bytes": str(max_message_bytes)}
    admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, configs=change)])
    admin.close()


def open_transaction_of(road: Road, partition: ClientPartition, *, offset: int) -> OtherProducer:
    """An owner that has sent its offsets and not yet committed them."""
    producer = OtherProducer({"bootstrap.servers": road.servers, "transactional.id": fresh("dead-owner")})
    member = OtherConsumer({"bootstrap.servers": road.servers, "group.id": road.group_id})
    producer.init_transactions(30)
    producer.begin_transaction()
    there = OtherPartition(partition.topic, partition.partition, offset)
    producer.send_offsets_to_transaction([there], member.consumer_group_metadata(), 30)
    member.close()
    return producer


def commit_elsewhere(road: Road, partition: ClientPartition, offset: int) -> None:
    there = OtherPartition(partition.topic, partition.partition, offset)
    request = ConsumerGroupTopicPartitions(road.group_id, [there])
    admin = AdminClient({"bootstrap.servers": road.servers})
    admin.alter_consumer_group_offsets([request])[road.group_id].result(30)
