from __future__ import annotations

from tests.unit.core import GROUP, INPUT
from worker.batching import CloseReason, Gathered, Wave
from worker.observability.health import Health
from worker.observability.metrics import Metrics
from worker.observability.watch import LOST_AFTER_S, Watch, report_of
from worker.pipeline import Processed, Tally
from worker.ports import InferenceStats
from worker.pump import Published, Run
from worker.records import Found, Membership, Publication, Record
from worker.testing import FakeBroker, FakeClock, FakeSource


class Watched:
    """A watch over one member of a group, and the time."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.broker = FakeBroker(topics={INPUT: 2})
        self.source = FakeSource(self.broker, group=GROUP, topics=[INPUT], clock=self.clock)
        self.metrics = Metrics(clock=self.clock)
        self.health = Health(stall_timeout_s=1e9, clock=self.clock)
        self.watch = Watch(metrics=self.metrics, health=self.health, clock=self.clock)

    def turned(self, *, after_s: float = 1.0) -> bool:
        """Whether the worker is ready after a turn so much later."""
        self.clock.advance(after_s)
        self.watch.turned(source=self.source, oldest_s=0.0, working=False)
        return self.health.readiness().ok


def test_a_worker_is_ready_once_it_has_joined() -> None:
    """A loop that turns without a broker or a group is not."""
    watched = Watched()

    before = watched.turned()
    why = watched.health.readiness().why
    watched.source.poll(timeout_s=0.1)

    assert not before
    assert "not in the consumer group yet" == why
    assert watched.turned()


def test_a_member_without_partitions_is_ready() -> None:
    """It waits for some: it is there when another goes."""
    watched = Watched()
    for _ in range(2):
        watched.broker.join(GROUP, [INPUT])

    watched.source.poll(timeout_s=0.1)

    assert frozenset() == watched.source.assignment()
    assert watched.turned()


def test_only_a_group_that_is_lost_for_long_makes_it_unready() -> None:
    """A rebalance is none of a probe's business."""
    watched = Watched()
    watched.source.poll(timeout_s=0.1)
    watched.turned()
    watched.broker.join(GROUP, [INPUT])

    at_first = watched.turned()
    nearly = watched.turned(after_s=LOST_AFTER_S - 1.0)
    at_last = watched.turned()
    watched.source.poll(timeout_s=0.1)

    assert [True, True, False] == [at_first, nearly, at_last]
    assert watched.turned()


def test_partitions_count_as_assigned_without_a_lag() -> None:
    """What is owned and not read yet is owned."""
    watched = Watched()
    watched.source.poll(timeout_s=0.1)

    watched.turned()

    assert {} == watched.source.lag()
    assert 2 == watched.metrics.registry.get_sample_value("emostream_assigned_partitions")


def test_a_waves_stages_are_all_of_its_time() -> None:
    """What is no work is waiting: to be closed, in line for the model, and in line for the brokers."""
    record = Record(INPUT, 0, 0, -1, None, b"text", ())
    wave = Wave(
        (gathered(record, at=100.0, encode_s=0.25), gathered(record, at=101.0, encode_s=0.25)),
        Membership(1, "member", None),
        CloseReason.DELAY,
    )
    processed = Processed(
        wave=wave,
        publication=Publication([], wave.offsets, wave.membership),
        deaths=(False, False),
        tally=Tally(),
        stats=InferenceStats(),
        infer_s=2.0,
        decide_s=0.5,
    )

    stages = report_of(Published(processed, Run(), closed_at=102.0, began_at=109.0, ended_at=110.0), now=0.0).stage_s

    assert {"wait": 6.0, "tokenize": 0.5, "infer": 2.0, "decide": 0.5, "publish": 1.0} == stages
    assert 10.0 == sum(stages.values())


def gathered(record: Record, *, at: float, encode_s: float) -> Gathered:
    return Gathered(record, Found("text", b"{}"), None, at, encode_s)
