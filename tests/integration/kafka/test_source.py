"""The source on a real broker: what the contract for all sources does not know of."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from confluent_kafka import Producer
from kafka.admin import ACLOperation as Operation
from kafka.admin import KafkaAdminClient, ResourceType
from kafka.errors import KafkaConnectionError

from tests.conftest import Topics, fresh
from tests.integration.kafka.secure import SecureBroker
from tests.integration.kafka.workers import Road, at_least_once_worker_on, in_order, numbers, until
from tests.kafka_io import ToSend, produce
from worker.devbroker.topics import create_topics
from worker.errors import BrokerRefused
from worker.kafka import source as source_module
from worker.kafka import watchdog
from worker.kafka.consumer import FETCH_BYTES, ConsumerSettings
from worker.kafka.source import KafkaSource
from worker.records import Record

pytestmark = pytest.mark.broker


@contextmanager
def closed_at_the_end(source: KafkaSource) -> Iterator[KafkaSource]:
    try:
        yield source
    finally:
        source.close(timeout_s=6)


def read(source: KafkaSource, count: int) -> list[Record]:
    """Poll until that many records were handed out since the last rewind."""
    records: list[Record] = []

    def turn() -> None:
        polled = source.poll(timeout_s=0.1)
        if polled.rebalanced:
            records.clear()
            source.rewind()
        records.extend(polled.records)

    until(lambda: len(records) >= count, turn=turn)
    return records


def in_transactions(servers: str, topic: str, *outcomes: tuple[bytes, bool | None]) -> Producer:
    """One transaction for each value on partition 0: committed, aborted, or (None) left open."""
    producer = Producer({"bootstrap.servers": servers, "transactional.id": fresh("writer")})
    producer.init_transactions(30)
    for value, committed in outcomes:
        producer.begin_transaction()
        producer.produce(topic, value, partition=0)
        producer.flush(30)
        if committed is not None:
            producer.commit_transaction(30) if committed else producer.abort_transaction(30)
    return producer


def test_records_larger_than_a_fetch_arrive(topics: Topics) -> None:
    """The fetch size bounds what comes at once, not what can come."""
    road = Road.made(topics, partitions=1)
    produce(road.servers, road.input, [ToSend(bytes(6 * FETCH_BYTES)), ToSend(b"small")])

    with closed_at_the_end(road.source()) as source:
        records = read(source, 2)

    assert [6 * FETCH_BYTES, 5] == [len(record.value or b"") for record in records]


class TestTransactionalInput:
    """Topics that others write in transactions."""

    def test_only_committed_records_are_read(self, topics: Topics) -> None:
        """Aborted records and markers are passed over, and the end is reached although a marker stands there."""
        road = Road.made(topics, partitions=1)
        in_transactions(road.servers, road.input, (b"1", False), (b"2", True), (b"3", False))

        with at_least_once_worker_on(road) as worker:
            until(lambda: worker.source.caught_up(worker.source.end_offsets()), turn=worker.turn)

        assert [2] == numbers(road.read())

    def test_markers_at_the_end_of_others_partitions(self, topics: Topics) -> None:
        """A partition that another member owns and has read to its last record is caught up too."""
        road = Road.made(topics, partitions=2)
        in_transactions(road.servers, road.input, (b"1", True), (b"2", False))
        with at_least_once_worker_on(road) as worker:
            until(lambda: worker.published == 1, turn=worker.turn)

            worker.start()
            with closed_at_the_end(road.source()) as other:
                until(lambda: len(other.assignment()) == 1, turn=lambda: rewinding(other))
                ends = other.end_offsets()
                until(lambda: other.caught_up(ends), turn=lambda: rewinding(other))

    def test_an_open_transaction_is_not_a_stuck_partition(
        self, topics: Topics, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Waiting behind a transaction that is open for long costs no rebalance."""
        monkeypatch.setattr(watchdog, "STUCK_AFTER_S", 0.2)
        road = Road.made(topics, partitions=1)
        writer = in_transactions(road.servers, road.input, (b"1", True), (b"2", None))
        with at_least_once_worker_on(road) as worker:
            until(lambda: worker.published == 1, turn=worker.turn)
            rebalances = worker.rebalances

            for _ in range(30):
                worker.turn()

            writer.commit_transaction(30)
            until(lambda: worker.published == 2, turn=worker.turn)

        assert rebalances == worker.rebalances


class TestStuckPartition:
    """D23, should the guard against it ever miss a case."""

    def test_a_new_consumer_reads_on(self, topics: Topics, monkeypatch: pytest.MonkeyPatch) -> None:
        """A partition that the client has lost is noticed and read again, by a new consumer."""
        monkeypatch.setattr(watchdog, "STUCK_AFTER_S", 0.5)
        monkeypatch.setattr(source_module, "restore_parked_records", lambda _consumer: None)
        road = Road.made(topics, partitions=2)
        numbers = iter(range(100_000))
        with closed_at_the_end(road.source(settings=road.settings(max_poll_records=64))) as source:
            road.write([next(numbers) for _ in range(200)])
            read(source, 64)
            first = source._consumer

            def pause_half_read() -> None:
                """Parks what was fetched of each partition in turn; sooner or later the client forgets one of them."""
                road.write([next(numbers) for _ in range(100)])
                for partition in sorted(first.assignment()):
                    first.pause(partition)
                    source.poll(timeout_s=0.1)
                    if source._consumer is not first:
                        return
                first.resume(*first.assignment())

            until(lambda: source._consumer is not first, turn=pause_half_read)
            source.rewind()
            written = next(numbers)
            records = read(source, written)

        assert list(range(written)) == sorted(int(record.value or b"-1") for record in records)


def test_trouble_that_lasts_is_one_rebalance(topics: Topics, monkeypatch: pytest.MonkeyPatch) -> None:
    """A failed poll gives up what was handed out; those after it have nothing more to give up, and nothing is lost."""
    road = Road.made(topics, partitions=2)
    road.write(range(10))
    told: list[bool] = []
    with closed_at_the_end(road.source()) as source:
        read(source, 10)
        joined = [source.joined()]
        with monkeypatch.context() as broken:
            broken.setattr(source._consumer, "poll", failing)
            for _ in range(4):
                polled = source.poll(timeout_s=0.1)
                told.append(polled.rebalanced)
                if polled.rebalanced:
                    source.rewind()
            joined.append(source.joined())
        again = read(source, 10)
        joined.append(source.joined())

    assert [True, False, False, False] == told
    assert [True, False, True] == joined
    assert list(range(10)) == sorted(int(record.value or b"-1") for record in again)


def test_a_member_without_a_coordinator_has_not_joined(topics: Topics) -> None:
    """Where no broker is left the client remains a stable member for ever; the source does not."""
    road = Road.made(topics, partitions=1)
    road.write([1])
    with closed_at_the_end(road.source()) as source:
        read(source, 1)
        before = source.joined()

        source._consumer._coordinator.coordinator_dead("gone")
        without = source.joined()

        until(source.joined, turn=lambda: rewinding(source))

    assert before
    assert not without


def failing(**_settings: object) -> None:
    raise KafkaConnectionError


class TestRefusedWhileRunning:
    """What cannot mend itself ends the worker instead of keeping it busy."""

    def test_a_deleted_topic(self, topics: Topics) -> None:
        """Is noticed, named, and final."""
        road = Road.made(topics, partitions=1)
        road.write([1])
        with closed_at_the_end(road.source()) as source:
            read(source, 1)
            admin = KafkaAdminClient(bootstrap_servers=road.servers)
            admin.delete_topics([road.input])
            admin.close()

            with pytest.raises(BrokerRefused, match=f"deleted or are forbidden now: {road.input}"):
                until(lambda: False, turn=lambda: rewinding(source))

    def test_permission_withdrawn(self, secure_broker: SecureBroker) -> None:
        """Is final as well, once it has lasted for some seconds."""
        topic, group_id = fresh("topic"), fresh("group")
        create_topics(secure_broker.broker.bootstrap_servers, {topic: 1})
        operations = [Operation.READ, Operation.DESCRIBE]
        secure_broker.allow(operations, ResourceType.TOPIC, topic)
        secure_broker.allow([Operation.READ], ResourceType.GROUP, group_id)
        produce(secure_broker.broker.bootstrap_servers, topic, [ToSend(b"1")])
        source = KafkaSource(secure_broker.scram(), ConsumerSettings((topic,), group_id), commits=True)
        with closed_at_the_end(source):
            read(source, 1)
            secure_broker.withdraw([Operation.READ], ResourceType.TOPIC, topic)

            with pytest.raises(BrokerRefused, match=f"no permission on topic {topic}"):
                until(lambda: False, turn=lambda: rewinding(source))

    def test_a_group_without_permission(self, secure_broker: SecureBroker) -> None:
        """Where the broker did not tell at start, joining does."""
        topic, group_id = fresh("topic"), fresh("group")
        create_topics(secure_broker.broker.bootstrap_servers, {topic: 1})
        secure_broker.allow([Operation.READ, Operation.DESCRIBE], ResourceType.TOPIC, topic)
        source = KafkaSource(secure_broker.scram(), ConsumerSettings((topic,), group_id), commits=True)

        with closed_at_the_end(source), pytest.raises(BrokerRefused, match=f"consumer group {group_id}"):
            until(lambda: False, turn=lambda: rewinding(source))


def test_members_that_take_turns_still_come_together(topics: Topics) -> None:
    """A join that ends while a member is busy elsewhere counts (D28), so that two polled by one thread settle."""
    road = Road.made(topics, partitions=2)
    road.write(range(100))
    with at_least_once_worker_on(road) as first, at_least_once_worker_on(road) as second:
        until(lambda: first.published == 100, turn=first.turn)

        def both() -> None:
            first.turn()
            second.turn()

        until(lambda: len(first.source.assignment()) == len(second.source.assignment()) == 1, turn=both)
        road.write(range(100, 200))
        until(lambda: first.published + second.published == 200, turn=both)

    assert list(range(200)) == sorted(set(numbers(road.read())))
    assert in_order(road.read())


def rewinding(source: KafkaSource) -> None:
    if source.poll(timeout_s=0.1).rebalanced:
        source.rewind()
