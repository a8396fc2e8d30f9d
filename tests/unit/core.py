"""Builds a whole worker over the fakes: what the tests of the core share."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from worker.batching import BatchPolicy
from worker.dead_letter_limit import DeadLetterLimit, DeadLetterPolicy
from worker.decision.policy import rule_for
from worker.errors import BrokerError, DeadReason, RecordError, Stage
from worker.events import EventRenderer, Provenance
from worker.lane import Handover
from worker.pipeline import InForce, Pipeline, Routing
from worker.ports import Classifier, Publisher, Source
from worker.pump import Published, Pump
from worker.records import Destination, Found, Outgoing, Record, TopicPartition
from worker.testing import FakeBroker, FakeClock, FakePublisher, FakeSource, Fault, InlineLane, StubClassifier
from worker.tracing import UNTRACED, Tracing

GROUP = "group"
INPUT = "texts"
CLOCK = FakeClock()
TOPICS = {Destination.OUTPUT: "out", Destination.REVIEW: "review", Destination.DEAD_LETTER: "dead"}


def intake(record: Record) -> Found:
    """The text is the value; an empty one is bad."""
    if not record.value:
        raise RecordError(Stage.DECODE, DeadReason.EMPTY_TEXT, "the text is empty")
    text = record.value.decode()
    return Found(text, json.dumps({"text": text}).encode())


def broker_with(values: Sequence[bytes | None], *, partitions: int = 3) -> FakeBroker:
    """Input records spread over the partitions; every third has a key."""
    broker = FakeBroker(topics={INPUT: partitions, "out": 2, "review": 3, "dead": 1})
    for number, value in enumerate(values):
        key = str(number).encode() if number % 3 == 0 else None
        broker.append(TopicPartition(INPUT, number % partitions), key=key, value=value)
    return broker


@dataclass
class Observed:
    """An observer that keeps what it is told."""

    published_waves: list[Published] = field(default_factory=list)
    failures: list[BrokerError] = field(default_factory=list)
    rebalances: int = 0
    redone_records: int = 0
    consumed_records: Counter[str] = field(default_factory=Counter)
    oldest_s: list[float] = field(default_factory=list)

    def consumed(self, topic: str, count: int) -> None:
        self.consumed_records[topic] += count

    def published(self, published: Published) -> None:
        self.published_waves.append(published)

    def publish_failed(self, error: BrokerError) -> None:
        self.failures.append(error)

    def rebalanced(self) -> None:
        self.rebalances += 1

    def redone(self, records: int) -> None:
        self.redone_records += records

    def turned(self, *, source: Source, oldest_s: float, working: bool) -> None:
        self.oldest_s.append(oldest_s)


def source_of(broker: FakeBroker, *, transactional: bool = True, max_poll_records: int = 500) -> FakeSource:
    return FakeSource(
        broker, group=GROUP, topics=[INPUT], clock=CLOCK, max_poll_records=max_poll_records, commits=not transactional
    )


def publisher_of(
    broker: FakeBroker, *, transactional: bool = True, faults: Iterable[Fault] = (), max_bytes: int = 1_000_000
) -> FakePublisher:
    return FakePublisher(
        broker, group=GROUP, topics=TOPICS, transactional=transactional, faults=faults, max_bytes=max_bytes
    )


def pipeline_of(
    publisher: Publisher,
    *,
    classifier: Classifier | None = None,
    routing: Routing | None = None,
    changed: Callable[[], InForce | None] = lambda: None,
    tracing: Tracing = UNTRACED,
) -> Pipeline:
    classifier = classifier or StubClassifier()

    def fits(outgoing: Outgoing) -> bool:
        return publisher.fits(key=outgoing.key, value=outgoing.value, headers=outgoing.headers)

    return Pipeline(
        intake=intake,
        classifier=classifier,
        rule=rule_for(classifier.info, None, min_confidence=0.7),
        renderer=EventRenderer(Provenance(classifier.info, None, GROUP, "0")),
        fits=fits,
        routing=routing or Routing(),
        clock=CLOCK,
        changed=changed,
        tracing=tracing,
    )


def pump_of(
    source: Source,
    publisher: Publisher,
    *,
    observer: Observed | None = None,
    max_messages: int = 4,
    max_tokens: int = 10_000,
    limit: DeadLetterPolicy | None = None,
    pipeline: Pipeline | None = None,
    lanes: Callable[[str, Callable[..., None]], Handover[Any]] = InlineLane,
) -> Pump:
    return Pump(
        source=source,
        pipeline=pipeline or pipeline_of(publisher),
        publisher=publisher,
        limit=DeadLetterLimit(limit or DeadLetterPolicy(max_ratio=1.0, window=1000)),
        batch=BatchPolicy(max_messages=max_messages, max_tokens=max_tokens, max_delay_s=0.02),
        observer=observer or Observed(),
        clock=CLOCK,
        lanes=lanes,
    )


def input_ids(broker: FakeBroker) -> list[str]:
    return sorted(record.id for record in broker.topic(INPUT))


def outcome_ids(broker: FakeBroker) -> list[str]:
    """The identity of the input record behind every outcome in the three topics."""
    return sorted(identity(record) for topic in TOPICS.values() for record in broker.topic(topic))


def identity(record: Record) -> str:
    """Which input record an outgoing one is the outcome of, by its headers."""
    headers = {name: (value or b"").decode() for name, value in record.headers}
    if "ce_id" in headers:
        return headers["ce_id"]
    prefix = "emostream-source-"
    return "/".join(headers[prefix + part] for part in ("topic", "partition", "offset"))


def misordered(broker: FakeBroker) -> list[str]:
    """Outcomes that stand behind a later one of the same input partition, in the partition they were written to."""
    found = []
    for topic in TOPICS.values():
        for partition in broker.partitions(topic):
            last: dict[str, int] = {}
            for record in broker.read(partition):
                source, _, offset = identity(record).rpartition("/")
                if int(offset) < last.get(source, -1):
                    found.append(identity(record))
                last[source] = int(offset)
    return found
