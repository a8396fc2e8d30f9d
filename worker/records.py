"""The words everything else is written in: what is read, what was found in it, and what goes out.

Plain data that nobody changes. Nothing here does I/O or knows of Kafka clients, models or settings.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple, TypeVar, dataclass_transform

import numpy as np
from numpy.typing import NDArray

from schemas.fields import Task as Task

Header = tuple[str, bytes | None]
Kind = TypeVar("Kind")


@dataclass_transform(frozen_default=True, eq_default=True)
def immutable(kind: type[Kind]) -> type[Kind]:
    """A dataclass of which several are made for each record: the type checker holds it frozen.

    While running it is not, nor can it be hashed: a frozen one sets every field through `object`, which takes four
    times as long.
    """
    return dataclass(slots=True)(kind)


class TopicPartition(NamedTuple):
    """One partition of one topic; sorts by topic, then number."""

    topic: str
    partition: int


@immutable
class Record:
    """One Kafka record as it was read: bytes, never deserialised by the client.

    `timestamp_ms` is the record's own timestamp in milliseconds since the epoch (-1: none).
    """

    topic: str
    partition: int
    offset: int
    timestamp_ms: int
    key: bytes | None
    value: bytes | None
    headers: tuple[Header, ...] = ()

    @property
    def id(self) -> str:
        """The record's identity, `topic/partition/offset`: the id of every event made from it."""
        return f"{self.topic}/{self.partition}/{self.offset}"

    @property
    def topic_partition(self) -> TopicPartition:
        return TopicPartition(self.topic, self.partition)


@immutable
class Found:
    """What intake found in a record: the text, and the JSON payload as the raw bytes it came in."""

    text: str
    payload: bytes


@immutable
class Encoded:
    """A text as the model's tokenizer sees it: at most the model's maximum length of token ids, with special tokens.

    `ids` is int32 [tokens]; `truncated` says that the text was longer.
    """

    ids: NDArray[np.int32]
    truncated: bool

    @property
    def tokens(self) -> int:
        return len(self.ids)


@immutable
class Prediction:
    """The model's scores for one text: float32 [labels], probabilities (softmax or sigmoid), all finite.

    `energy`: log-sum-exp of the logits that the softmax was made of; None for several labels, or where nobody knows.
    """

    scores: NDArray[np.float32]
    tokens: int
    truncated: bool
    energy: float | None = None


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """Which model made the scores: goes into every event and ties a policy to its model.

    `revision` is a resolved Hub commit or `sha256:…` of the folder's content; `labels` are in score order.
    """

    name: str
    revision: str
    task: Task
    labels: tuple[str, ...]
    max_length: int
    backend: str
    precision: str
    device: str


class Outcome(StrEnum):
    """Where a record ends; every consumed record has exactly one."""

    ACCEPTED = "accepted"
    ABSTAINED = "abstained"
    DEAD = "dead"


class Decision(NamedTuple):
    """A prediction turned into accepted or abstained.

    `labels`: one for single-label, zero or more for multi-label, most likely first. `reasons`: from
    `schemas.review.Reason`, most important first; never empty when abstained. `audit_probability`: how likely it was
    that this accepted record is copied to review. `guarantee_stands` is false after a drift alarm.
    """

    outcome: Outcome
    labels: tuple[str, ...]
    confidence: float
    reasons: tuple[str, ...] = ()
    audit_probability: float | None = None
    guarantee_stands: bool = True


class Destination(StrEnum):
    """The three outgoing topics, by their role."""

    OUTPUT = "output"
    REVIEW = "review"
    DEAD_LETTER = "dead_letter"


@immutable
class Outgoing:
    """One record to publish. `source` is the input record it is an outcome of.

    Without a key it goes to partition `source.partition` modulo the topic's partitions, so that order is kept.
    """

    destination: Destination
    key: bytes | None
    value: bytes | None
    headers: tuple[Header, ...]
    source: Record


Offsets = Mapping[TopicPartition, int]
"""The *next* offset to read of each partition: what is committed."""


@dataclass(frozen=True, slots=True)
class Membership:
    """The consumer group generation under which records were polled; publishing under a stale one is refused.

    `snapshot` is the client's own object, taken before the poll and never re-read (it would defeat the fencing).
    """

    generation: int
    member_id: str
    snapshot: object


@dataclass(frozen=True, slots=True)
class Publication:
    """All that one wave publishes: its outgoing records in order, and the offsets that become committed with them.

    `note` is committed with each of the offsets (at most 4096 bytes); `Source.notes` tells it to whoever goes on there.
    """

    outgoing: Sequence[Outgoing]
    offsets: Offsets
    membership: Membership
    note: str = ""
