"""The checker catches workers that break each promise: they run the real pump over the shipped fakes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.chaos.checker import Outcome, Place, Verdict, judge
from tests.unit.core import CLOCK, GROUP, INPUT, TOPICS, broker_with, identity, pipeline_of, pump_of, source_of
from worker.batching import CloseReason, Wave
from worker.ports import Polled, Publisher, Source
from worker.records import Destination, Membership, Publication
from worker.stopping import Stop
from worker.testing import FakeBroker, FakePublisher, FakeSource, Fault

TEXTS = [b"a good text", b"another", b"", b"one more"] * 10


class Crash(BaseException):
    """The process dies here."""


def place(identity: str) -> Place:
    topic, partition, offset = identity.split("/")
    return Place(topic, int(partition), int(offset))


def verdict_on(broker: FakeBroker) -> Verdict:
    sent = [place(record.id) for record in broker.topic(INPUT)]
    committed = [
        Outcome(place(identity(record)), (record.topic, record.partition))
        for topic in TOPICS.values()
        for record in broker.topic(topic)
    ]
    return judge(sent, committed)


def finish(broker: FakeBroker, source: Source, publisher: Publisher) -> None:
    """Work until everything is committed."""
    pump_of(source, publisher).run(stop=Stop(), drain_timeout_s=5, until=source.end_offsets())
    source.close(timeout_s=1)


def good_publisher(broker: FakeBroker) -> FakePublisher:
    return FakePublisher(broker, group=GROUP, topics=TOPICS)


class CommitsFirst(FakePublisher):
    """Commits the offsets, then publishes; the process dies in between, once."""

    crashes = 1

    def publish(self, publication: Publication) -> None:
        self._broker.commit(self._group, publication.offsets, publication.membership)
        if self.crashes:
            self.crashes -= 1
            raise Crash
        for outgoing in publication.outgoing:
            self._append(outgoing)


class KeepsPositions(FakeSource):
    """After a rebalance it goes on where it stood, not where the group has committed."""

    def rewind(self) -> None:
        stood = dict(self._positions)
        super().rewind()
        self._positions |= {partition: at for partition, at in stood.items() if partition in self._positions}


class DropsPoison(FakePublisher):
    """Logs what it cannot classify, and goes on."""

    def publish(self, publication: Publication) -> None:
        kept = [each for each in publication.outgoing if each.destination is not Destination.DEAD_LETTER]
        super().publish(Publication(kept, publication.offsets, publication.membership))


class ReadsMembershipAgain(FakePublisher):
    """Asks who it is at the commit, instead of who it was when it polled."""

    def publish(self, publication: Publication) -> None:
        now = Membership(self._broker.generation(self._group), publication.membership.member_id, None)
        super().publish(Publication(publication.outgoing, publication.offsets, now))


class TurnsAround(FakePublisher):
    """Publishes a wave in the order in which the model saw it."""

    def publish(self, publication: Publication) -> None:
        super().publish(Publication(publication.outgoing[::-1], publication.offsets, publication.membership))


def test_a_good_worker_passes() -> None:
    """Over the same records, with the same checker."""
    broker = broker_with(TEXTS)

    finish(broker, source_of(broker), good_publisher(broker))

    assert verdict_on(broker).exactly_once


def test_committing_before_publishing_loses() -> None:
    """A crash between the two leaves records that nobody reads again."""
    broker = broker_with(TEXTS)
    publisher = CommitsFirst(broker, group=GROUP, topics=TOPICS)
    first = source_of(broker)
    with pytest.raises(Crash):
        finish(broker, first, publisher)
    first.close(timeout_s=1)

    finish(broker, source_of(broker), publisher)

    assert verdict_on(broker).lost


def test_going_on_from_memory_after_a_rebalance_loses() -> None:
    """What was read and not yet published when partitions moved is never read again."""
    broker = broker_with(TEXTS)
    source = KeepsPositions(broker, group=GROUP, topics=[INPUT], clock=CLOCK, max_poll_records=10)
    rebalanced_meanwhile = FakePublisher(broker, group=GROUP, topics=TOPICS, faults=[Fault.NONE, Fault.FENCED])
    pump = pump_of(source, rebalanced_meanwhile)

    for _ in range(40):
        pump.turn()

    assert verdict_on(broker).lost


@pytest.mark.parametrize(
    ("publisher", "found"),
    [
        (DropsPoison, lambda verdict: verdict.lost),
        (TurnsAround, lambda verdict: verdict.misordered),
    ],
)
def test_bad_publishing_shows(publisher: type[FakePublisher], found: Callable[[Verdict], Any]) -> None:
    """Dropped poison is a loss; a wave in another order is misordered."""
    broker = broker_with(TEXTS)

    finish(broker, source_of(broker), publisher(broker, group=GROUP, topics=TOPICS))

    assert found(verdict_on(broker))


def test_reading_the_membership_again_at_the_commit_duplicates() -> None:
    """A worker that lost its partitions publishes what their new owner publishes too."""
    broker = broker_with(TEXTS)
    zombie = source_of(broker)
    polled = Polled()
    while not polled.records:
        zombie.rewind()
        polled = zombie.poll(timeout_s=0.1)
    assert polled.membership is not None
    pipeline = pipeline_of(good_publisher(broker))
    wave = Wave(tuple(pipeline.gather(polled.records)), polled.membership, CloseReason.DRAIN)
    held = pipeline.process(wave).publication
    heir = pump_of(source_of(broker), good_publisher(broker))
    for _ in range(40):
        heir.turn()

    ReadsMembershipAgain(broker, group=GROUP, topics=TOPICS).publish(held)

    assert verdict_on(broker).duplicated


def test_a_repeat_is_no_misorder() -> None:
    """At-least-once may go back and repeat, as long as nothing is skipped."""
    log = ("out", 0)
    once = [Outcome(Place("texts", 0, offset), log) for offset in (0, 1, 2, 1, 2, 3)]

    verdict = judge([Place("texts", 0, offset) for offset in range(4)], once)

    assert verdict.at_least_once
    assert not verdict.exactly_once


def test_strangers_and_thrown_away_work_are_counted() -> None:
    """An outcome of a record that was never sent, and outcomes that only a read-uncommitted reader sees."""
    verdict = judge([Place("texts", 0, 0)], [Outcome(Place("texts", 0, 7), ("out", 0))], uncommitted=5)

    assert verdict.strangers == (Place("texts", 0, 7),)
    assert verdict.lost == (Place("texts", 0, 0),)
    assert verdict.redone == 4
