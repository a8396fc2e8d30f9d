"""Outcomes as a reader of the three topics sees them, and the counting of them. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from schemas.dead_letter import DeadLetterHeaders, Header
from worker.errors import EmostreamError
from worker.records import Destination, Record

Place = tuple[int, int]
"""Partition and offset of a message in the input topic."""


@dataclass(frozen=True, slots=True)
class Topics:
    """The demo's own topics and consumer group; nobody else's have these names."""

    input: str
    output: str
    review: str
    dead_letter: str
    group_id: str

    @classmethod
    def named(cls, run: str) -> Topics:
        """Those of the run of that name."""
        texts = f"{run}.texts"
        return cls(texts, f"{texts}.enriched", f"{texts}.review", f"{texts}.dead-letter", group_id=run)

    @property
    def outgoing(self) -> Mapping[str, Destination]:
        """The role of each topic that a worker writes."""
        return {
            self.output: Destination.OUTPUT,
            self.review: Destination.REVIEW,
            self.dead_letter: Destination.DEAD_LETTER,
        }

    @property
    def all(self) -> list[str]:
        return [self.input, *self.outgoing]


@dataclass(frozen=True, slots=True)
class Event:
    """What an enriched or review event says."""

    labels: tuple[str, ...]
    payload: Any


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """What a dead letter says, and the record's own headers in it."""

    reason: str
    headers: tuple[Header, ...]


@dataclass(frozen=True, slots=True)
class Outcome:
    """The outcome of the message at `source`, as it stands in a topic."""

    destination: Destination
    source: Place
    content: Event | DeadLetter
    record: Record


def outcome(record: Record, topics: Topics) -> Outcome:
    """What a record of an outgoing topic means. Raises EmostreamError when it means nothing."""
    destination = topics.outgoing[record.topic]
    try:
        if destination is Destination.DEAD_LETTER:
            own, letter = DeadLetterHeaders.split(record.headers)
            place = (letter.source_partition, letter.source_offset)
            return Outcome(destination, place, DeadLetter(letter.reason, tuple(own)), record)
        event = orjson.loads(record.value or b"")
        place = (event["source"]["partition"], event["source"]["offset"])
        return Outcome(destination, place, Event(tuple(event["labels"]), event["payload"]), record)
    except (ValueError, KeyError, TypeError) as error:
        raise EmostreamError(f"{record.id} is not what the worker promises to write there") from error


@dataclass
class Tally:
    """Counts of the outcomes seen so far, for the eye; whether each message has exactly one is `check`'s business."""

    by_destination: Counter[Destination] = field(default_factory=Counter)
    labels: dict[Destination, Counter[str]] = field(
        default_factory=lambda: {Destination.OUTPUT: Counter(), Destination.REVIEW: Counter()}
    )
    reasons: Counter[str] = field(default_factory=Counter)
    sources: set[Place] = field(default_factory=set)

    def add(self, outcomes: Iterable[Outcome]) -> None:
        for each in outcomes:
            self.sources.add(each.source)
            self.by_destination[each.destination] += 1
            if isinstance(each.content, DeadLetter):
                self.reasons[each.content.reason] += 1
            else:
                self.labels[each.destination].update(each.content.labels)

    @property
    def messages(self) -> int:
        """How many messages have an outcome."""
        return len(self.sources)
