"""Every record exactly once, whatever happens to members, publications and the broker."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import pytest
from kafka.errors import KafkaTimeoutError

from tests.conftest import Topics
from tests.integration.kafka.workers import Road, Worker, confluent_worker_on, in_order, numbers, until, worker_on
from tests.kafka_io import committed_offsets
from worker.devbroker.jvm import JvmBroker
from worker.errors import Fenced, OutcomeUnknown, PublishFailed
from worker.kafka.consumer import Assignor

pytestmark = pytest.mark.broker

each_client = pytest.mark.parametrize(
    "worker_on",
    [pytest.param(worker_on, id="kafka-python"), pytest.param(confluent_worker_on, id="confluent-kafka")],
)
OnRoad = Callable[..., AbstractContextManager[Worker]]


def assert_exactly(count: int, road: Road) -> None:
    stored = road.read()
    assert list(range(count)) == sorted(numbers(stored))
    assert in_order(stored)
    committed = committed_offsets(road.servers, road.group_id, road.input)
    assert count == sum(offset or 0 for offset in committed.values())


@each_client
@pytest.mark.parametrize("assignor", list(Assignor))
def test_members_come_and_go(topics: Topics, assignor: Assignor, worker_on: OnRoad) -> None:
    """One joins in the middle, the first one leaves: nothing lost, nothing twice, order kept."""
    road = Road.made(topics)
    settings = road.settings(assignor=assignor, max_poll_records=50)
    with worker_on(road, settings=settings) as first, worker_on(road, settings=settings) as second:
        road.write(range(1000))
        first.start()
        until(lambda: first.published >= 200)
        second.start()
        until(lambda: len(second.source.assignment()) == 2)
        road.write(range(1000, 2000))
        until(lambda: second.published >= 200)
        road.write(range(2000, 3000))
        first.stop()
        until(lambda: first.published + second.published >= 3000)

    assert_exactly(3000, road)


@pytest.mark.parametrize("assignor", list(Assignor))
def test_both_clients_in_one_group(topics: Topics, assignor: Assignor) -> None:
    """While a deployment changes from one to the other, they share the partitions, and every record is there once."""
    road = Road.made(topics)
    settings = road.settings(assignor=assignor, max_poll_records=50)
    with worker_on(road, settings=settings) as old, confluent_worker_on(road, settings=settings) as new:
        road.write(range(1000))
        old.start()
        until(lambda: old.published >= 200)
        new.start()
        until(lambda: len(new.source.assignment()) == 2)
        road.write(range(1000, 2000))
        until(lambda: new.published >= 200)
        road.write(range(2000, 3000))
        old.stop()
        until(lambda: old.published + new.published >= 3000)

    assert_exactly(3000, road)


@pytest.mark.parametrize("committed", [True, False])
def test_an_unknown_outcome_is_told_by_the_offsets(topics: Topics, *, committed: bool) -> None:
    """When the answer to a commit is lost, going on from the committed offsets is right either way."""
    road = Road.made(topics, partitions=1)
    road.write(range(10))
    with worker_on(road) as worker:
        until(lambda: worker.published == 10, turn=worker.turn)
        lose_the_next_answer(worker, committed=committed)
        road.write(range(10, 20))

        until(lambda: worker.source.caught_up(worker.source.end_offsets()), turn=worker.turn)

    assert [OutcomeUnknown] == [type(error) for error in worker.failures]
    assert_exactly(20, road)


def lose_the_next_answer(worker: Worker, *, committed: bool) -> None:
    """The producer's next commit happens or not, and times out in both cases."""
    producer: Any = worker.publisher._producer  # type: ignore[attr-defined]
    commit: Callable[[], None] = producer.commit_transaction

    def lost() -> None:
        if committed:
            commit()
        raise KafkaTimeoutError("the answer was lost")

    producer.commit_transaction = lost


@each_client
def test_a_producer_with_our_id_elsewhere(topics: Topics, worker_on: OnRoad) -> None:
    """A machine of the same name takes our id away: the wave is redone under another id, and nobody is harmed."""
    road, other = Road.made(topics, partitions=1), Road.made(topics, partitions=1)
    road.write(range(10))
    other.write([100])
    with worker_on(road) as worker, worker_on(other) as intruder:
        until(lambda: worker.published == 10, turn=worker.turn)
        # as a lock in another machine's folder would let it
        intruder.publisher._slot = worker.publisher._slot  # type: ignore[attr-defined]
        until(lambda: intruder.published == 1, turn=intruder.turn)
        road.write(range(10, 20))

        until(lambda: worker.published == 20, turn=worker.turn)

    assert [Fenced] == [type(error) for error in worker.failures]
    assert_exactly(20, road)
    assert [100] == numbers(other.read())


def test_a_killed_worker_leaves_nothing_behind(topics: Topics) -> None:
    """What it had sent and not committed is never seen, and its successor goes on at once under the same id."""
    road = Road.made(topics, partitions=1)
    road.write(range(10))
    with worker_on(road) as killed:
        until(lambda: killed.published == 10, turn=killed.turn)
        killed.publisher._producer.begin_transaction()  # type: ignore[attr-defined]
        killed.publisher._producer.send(road.output, b"666", partition=0).get(10)  # type: ignore[attr-defined]
        identity = killed.publisher._slot.transactional_id  # type: ignore[attr-defined]
        killed.publisher._slot.release()  # type: ignore[attr-defined]
        killed.source.close(timeout_s=6)

        with worker_on(road) as successor:
            road.write(range(10, 20))
            until(lambda: successor.published == 10, turn=successor.turn)
            assert identity == successor.publisher._slot.transactional_id  # type: ignore[attr-defined]

    assert_exactly(20, road)


class TestBrokerTrouble:
    """On a broker that is hurt."""

    @each_client
    def test_killed_and_back(self, fragile_broker: JvmBroker, fragile_topics: Topics, worker_on: OnRoad) -> None:
        """The worker goes on by itself once the broker is back."""
        road = Road.made(fragile_topics)
        settings = road.settings(max_poll_records=50)
        road.write(range(2000))
        with worker_on(road, settings=settings) as worker:
            worker.start()
            until(lambda: worker.published >= 300)

            fragile_broker.kill()
            fragile_broker.restart()

            until(lambda: worker.published >= 2000)

        assert_exactly(2000, road)

    @each_client
    def test_hung_in_the_middle(self, fragile_broker: JvmBroker, fragile_topics: Topics, worker_on: OnRoad) -> None:
        """A publication ends at its deadline however the client blocks, and what it left is never seen."""
        road = Road.made(fragile_topics, partitions=1)
        road.write(range(10))
        with worker_on(road, deadline_s=2.0) as worker:
            until(lambda: worker.published == 10, turn=worker.turn)
            road.write(range(10, 20))
            polled = worker.source.poll(timeout_s=1)
            fragile_broker.pause()
            recovery = threading.Timer(4, fragile_broker.resume)
            recovery.start()

            worker.handle(polled)

            recovery.join()
            until(lambda: worker.source.caught_up(worker.source.end_offsets()), turn=worker.turn)

        assert [PublishFailed] == [type(error) for error in worker.failures]
        assert_exactly(20, road)
