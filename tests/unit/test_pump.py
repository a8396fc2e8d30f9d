from __future__ import annotations

import threading
from collections.abc import Sequence
from itertools import islice
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.core import (
    CLOCK,
    GROUP,
    INPUT,
    TOPICS,
    Observed,
    broker_with,
    input_ids,
    misordered,
    outcome_ids,
    pipeline_of,
    publisher_of,
    pump_of,
    source_of,
)
from worker.clock import Deadline, SystemClock
from worker.dead_letter_limit import DeadLetterPolicy
from worker.errors import BrokerRefused, DeadLetterLimitExceeded, EngineLost
from worker.lane import Lane
from worker.ports import Inferred
from worker.pump import Pump
from worker.records import Encoded, Publication, TopicPartition
from worker.stopping import Stop
from worker.testing import FakeBroker, FakePublisher, FakeSource, Fault, InlineLane, StubClassifier

VALUES = st.lists(st.sampled_from([b"good", b"better", b"", None, b"poison"]), max_size=40)
FAULTS = st.lists(st.sampled_from(list(Fault)), max_size=12)


def finish(broker: FakeBroker, *, transactional: bool = True) -> None:
    """A worker without faults takes over and works until everything is committed."""
    source = source_of(broker, transactional=transactional)
    pump = pump_of(source, publisher_of(broker, transactional=transactional))
    pump.run(stop=Stop(), drain_timeout_s=5, until=source.end_offsets())
    source.close(timeout_s=1)


def test_every_record_gets_one_outcome() -> None:
    """Good, doubtful and bad records end in the output, review or dead-letter topic, each once."""
    broker = broker_with([b"a good text", b"another", b"", None, b"poison", b"one more"] * 10)

    finish(broker)

    assert outcome_ids(broker) == input_ids(broker)
    assert broker.committed("group") == {partition: broker.end(partition) for partition in broker.partitions(INPUT)}


def test_a_stop_drains_what_was_gathered() -> None:
    """After a stop nothing new is read, and what was read is published and committed."""
    broker = broker_with([b"text"] * 10)
    source = source_of(broker)
    pump = pump_of(source, publisher_of(broker), max_messages=100)
    stop = Stop()
    pump.turn()
    pump.turn()
    stop.request()

    pump.run(stop=stop, drain_timeout_s=5)

    assert sum(broker.committed("group").values()) == len(outcome_ids(broker))


def test_a_failed_wave_is_redone_from_the_committed_offsets() -> None:
    """Nothing after a failed wave is published before it was redone."""
    broker = broker_with([b"text"] * 20)
    source = source_of(broker)
    observer = Observed()
    pump = pump_of(source, publisher_of(broker, faults=[Fault.NONE, Fault.FAILS, Fault.NONE]), observer=observer)

    pump.run(stop=Stop(), drain_timeout_s=5, until=source.end_offsets())

    assert outcome_ids(broker) == input_ids(broker)
    assert misordered(broker) == []
    assert len(observer.failures) == 1
    assert observer.redone_records > 0


def test_the_dead_letter_limit_stops_before_the_wave_is_committed() -> None:
    """The wave that exceeds the limit is neither published nor committed: the evidence stays where it is."""
    broker = broker_with([b""] * 30, partitions=1)
    source = source_of(broker)
    pump = pump_of(source, publisher_of(broker), limit=DeadLetterPolicy(max_ratio=0.5, window=20))

    with pytest.raises(DeadLetterLimitExceeded):
        pump.run(stop=Stop(), drain_timeout_s=5)

    assert len(broker.topic("dead")) == 8
    assert broker.committed("group") == {TopicPartition(INPUT, 0): 8}


def test_started_again_it_goes_on_counting_dead_letters() -> None:
    """A supervisor that starts it over and over does not let some more through each time."""
    broker = broker_with([b""] * 60, partitions=1)

    for _ in range(3):
        source = source_of(broker)
        pump = pump_of(source, publisher_of(broker), limit=DeadLetterPolicy(max_ratio=0.5, window=20))
        with pytest.raises(DeadLetterLimitExceeded):
            pump.run(stop=Stop(), drain_timeout_s=5)
        source.close(timeout_s=1)

    assert len(broker.topic("dead")) <= 10


class SlowPublisher(FakePublisher):
    """Five seconds pass in each publication."""

    def publish(self, publication: Publication) -> None:
        CLOCK.advance(5.0)
        super().publish(publication)


@pytest.mark.parametrize("fault", [Fault.NONE, Fault.FAILS])
def test_a_record_waits_until_it_is_published(fault: Fault) -> None:
    """Also while its wave is in the lanes; what is to be read again does not wait any more."""
    broker = broker_with([b"text"], partitions=1)
    observer = Observed()
    publisher = SlowPublisher(broker, group=GROUP, topics=TOPICS, faults=[fault])
    pump = pump_of(source_of(broker), publisher, observer=observer)

    for _ in range(3):
        pump.turn()

    assert [0.0, 5.0, 0.0] == [round(oldest, 1) for oldest in observer.oldest_s]


def test_a_refusal_by_the_broker_ends_the_worker() -> None:
    """An ACL withdrawn while running is no reason to try for ever."""
    broker = broker_with([b"text"])

    class Refusing(FakePublisher):
        def publish(self, publication: Any) -> None:
            raise BrokerRefused("not allowed to write to topic out")

    publisher = Refusing(broker, group="group", topics={})
    pump = pump_of(source_of(broker), publisher)

    with pytest.raises(BrokerRefused):
        pump.run(stop=Stop(), drain_timeout_s=5)


class Occupied(InlineLane[Any]):
    """A lane that works at once, and is called busy until `busy_until`; who waits for it lets that time pass."""

    def __init__(self, name: str, work: Any) -> None:
        super().__init__(name, work)
        self.busy_until = float("-inf")
        self.full = False
        self.waits: list[float] = []

    @property
    def idle(self) -> bool:
        return CLOCK.monotonic() >= self.busy_until

    @property
    def has_room(self) -> bool:
        return not self.full

    def wait_until_idle(self, timeout_s: float) -> None:
        self.waits.append(round(timeout_s, 6))
        CLOCK.advance(max(0.0, min(timeout_s, self.busy_until - CLOCK.monotonic())))


class Timed(FakePublisher):
    """Publishing takes 20 ms; the model, here, none."""

    takes_s = 0.020

    def publish(self, publication: Publication) -> None:
        CLOCK.advance(self.takes_s)
        super().publish(publication)


class Beat:
    """A pump with lanes in hand and waves of eight; one is published, so that it is known what both lanes take."""

    def __init__(self) -> None:
        self.lanes: dict[str, Occupied] = {}
        self.broker = broker_with([b"text"], partitions=1)
        self._publisher = Timed(self.broker, group=GROUP, topics=TOPICS)
        self.pump = pump_of(source_of(self.broker), self._publisher, max_messages=8, lanes=self._lane)
        for _ in range(3):
            self.pump.turn()
        assert len(outcome_ids(self.broker)) == 1

    def _lane(self, name: str, work: Any) -> Occupied:
        return self.lanes.setdefault(name, Occupied(name, work))

    def arrives(self, count: int = 1) -> None:
        for _ in range(count):
            self.broker.append(TopicPartition(INPUT, 0), key=None, value=b"another")

    def publishes(self, *, for_s: float) -> float:
        """From now on, which is returned, the publishing lane is busy with one record."""
        self._publisher.takes_s = 0.0
        self.arrives()
        self.pump.turn()
        began = CLOCK.monotonic()
        self.lanes["publishing"].busy_until = began + for_s
        return began

    @property
    def waiting(self) -> int:
        """Records gathered and in no wave yet."""
        return len(self.pump._builder)


def test_while_a_wave_is_published_the_next_one_is_closed_just_in_time() -> None:
    """What comes before is gathered, and not closed to wait; few records are left to the broker meanwhile.

    The publication before took 20 ms and this one none, so that 16 ms are expected.
    """
    beat = Beat()
    began = beat.publishes(for_s=0.018)
    beat.arrives()

    beat.pump.turn()
    assert (1, began) == (beat.waiting, CLOCK.monotonic())
    beat.pump.turn()

    assert [0.008] == beat.lanes["publishing"].waits
    assert (0, 0.016) == (beat.waiting, round(CLOCK.monotonic() - began, 6))


def test_a_wave_that_waits_goes_on_as_soon_as_the_lanes_are_idle() -> None:
    """A publication that takes less than usual holds nobody up until the delay bound."""
    beat = Beat()
    began = beat.publishes(for_s=0.004)
    beat.arrives()
    beat.pump.turn()
    assert beat.waiting == 1

    beat.pump.turn()

    assert (0, 0.004) == (beat.waiting, round(CLOCK.monotonic() - began, 6))


@pytest.mark.parametrize(("records", "waits"), [(1, [0.008]), (8, [])])
def test_only_parts_of_waves_wait_for_more_to_come(records: int, waits: list[float]) -> None:
    """While a whole one waits the source is paused, so that nothing could come."""
    beat = Beat()
    model = beat.lanes["inference"]
    model.busy_until = CLOCK.monotonic() + 1.0
    model.full = True
    beat.arrives(records)
    beat.pump.turn()
    beat.pump.turn()  # the whole wave came with one poll, which was not few
    model.waits.clear()

    beat.pump.turn()

    assert (records, waits) == (beat.waiting, model.waits)


def test_the_source_is_paused_while_a_whole_wave_waits() -> None:
    """What does not fit into a wave is not polled: memory is bounded."""
    broker = broker_with([b"text"] * 100, partitions=1)
    source = source_of(broker, max_poll_records=10)
    pump = pump_of(source, publisher_of(broker), max_messages=10)

    for _ in range(4):
        pump.turn()

    assert source.lag()[TopicPartition(INPUT, 0)] >= 100 - 40


@given(values=VALUES, faults=FAULTS, max_messages=st.integers(1, 9), transactional=st.booleans())
def test_faults_of_the_publisher_lose_nothing(
    *, values: list[bytes | None], faults: list[Fault], max_messages: int, transactional: bool
) -> None:
    """Exactly once in transactions, at least once without, whatever the publisher answers."""
    broker = broker_with(values)
    source = source_of(broker, transactional=transactional)
    pump = pump_of(source, publisher_of(broker, transactional=transactional, faults=faults), max_messages=max_messages)

    pump.run(stop=Stop(), drain_timeout_s=5, until=source.end_offsets())

    ids = outcome_ids(broker)
    assert input_ids(broker) == (ids if transactional else sorted(set(ids)))
    assert not transactional or misordered(broker) == []


class Crash(BaseException):
    """The process dies here."""


def turn_for_ever(pump: Pump) -> None:
    while True:
        pump.turn()


class Fused:
    """A port that kills the process at its n-th call, before or after doing the work."""

    def __init__(self, port: Any, fuse: list[int]) -> None:
        self._port = port
        self._fuse = fuse

    def __getattr__(self, name: str) -> Any:
        verb = getattr(self._port, name)

        def burning(*args: Any, **kwargs: Any) -> Any:
            self._burn()
            answer = verb(*args, **kwargs)
            self._burn()
            return answer

        return burning

    def _burn(self) -> None:
        self._fuse[0] -= 1
        if self._fuse[0] == 0:
            raise Crash


@settings(max_examples=200)
@given(
    values=VALUES,
    faults=FAULTS,
    fuses=st.lists(st.integers(1, 60), max_size=4),
    transactional=st.booleans(),
    zombies=st.booleans(),
)
def test_a_crash_between_any_two_steps_loses_nothing(
    *, values: list[bytes | None], faults: list[Fault], fuses: list[int], transactional: bool, zombies: bool
) -> None:
    """Killed at any call of a port, and started again, with or without its old self still in the group."""
    broker = broker_with(values)
    remaining = iter(faults)
    members: list[FakeSource] = []
    for fuse in fuses:
        source = source_of(broker, transactional=transactional, max_poll_records=7)
        members.append(source)
        publisher = publisher_of(broker, transactional=transactional, faults=remaining)
        burning = [fuse]
        pump = pump_of(Fused(source, burning), Fused(publisher, burning), max_messages=3)
        with pytest.raises(Crash):
            turn_for_ever(pump)
        if not zombies:
            source.close(timeout_s=0)
    for source in members:
        source.close(timeout_s=0)

    finish(broker, transactional=transactional)

    ids = outcome_ids(broker)
    assert input_ids(broker) == (ids if transactional else sorted(set(ids)))
    assert not transactional or misordered(broker) == []


@settings(max_examples=200)
@given(values=VALUES, schedule=st.lists(st.integers(0, 5), max_size=60), faults=FAULTS, transactional=st.booleans())
def test_workers_that_come_and_go_lose_nothing(
    *, values: list[bytes | None], schedule: list[int], faults: list[Fault], transactional: bool
) -> None:
    """Up to three workers take turns in any order; one that joins or leaves moves partitions under the others."""
    broker = broker_with(values)
    remaining = iter(faults)
    workers: dict[int, tuple[FakeSource, Pump]] = {}
    for step in schedule:
        slot, leaves = step % 3, step >= 3
        if leaves and slot in workers:
            workers.pop(slot)[0].close(timeout_s=0)
            continue
        if slot not in workers:
            source = source_of(broker, transactional=transactional, max_poll_records=5)
            publisher = publisher_of(broker, transactional=transactional, faults=islice(remaining, 3))
            workers[slot] = (source, pump_of(source, publisher, max_messages=3))
        workers[slot][1].turn()
    for source, _ in workers.values():
        source.close(timeout_s=0)

    finish(broker, transactional=transactional)

    ids = outcome_ids(broker)
    assert input_ids(broker) == (ids if transactional else sorted(set(ids)))
    assert not transactional or misordered(broker) == []


def test_nothing_is_published_behind_a_wave_that_the_engine_died_of() -> None:
    """The next wave may need no engine, as all of it is dead; its offsets would step over the lost one's."""

    class Dying(StubClassifier):
        def predict(self, encoded: Sequence[Encoded]) -> Inferred:
            if encoded:
                waiting.wait(10)
                raise EngineLost("the device is gone")
            return super().predict(encoded)

    waiting = threading.Event()
    broker = broker_with([b"text"] * 4 + [b""] * 4, partitions=1)
    publisher = publisher_of(broker)
    pump = pump_of(
        source_of(broker),
        publisher,
        pipeline=pipeline_of(publisher, classifier=Dying()),
        lanes=lambda name, work: Lane(name, work, CLOCK),
    )
    pump._inference.start()
    pump._publishing.start()

    deadline = Deadline.after(10, SystemClock())
    while pump._run.outstanding < 8 or pump._builder:
        assert not deadline.expired
        pump.turn()
    waiting.set()
    while not (pump._inference.idle and pump._publishing.idle):
        assert not deadline.expired
    with pytest.raises(EngineLost):
        pump.turn()
    pump.stop_lanes(deadline)

    assert broker.committed("group") == {}
