"""Waves: how gathered records are accumulated up to a size, token or time bound.

Pure: no thread, no clock (asked with `now`), no I/O. What a wave does next is `worker.pump`'s business.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from enum import StrEnum

from worker.errors import RecordError
from worker.records import Encoded, Found, Membership, Offsets, Record, TopicPartition, immutable


class CloseReason(StrEnum):
    """Why a wave stopped growing."""

    MESSAGES = "messages"
    TOKENS = "tokens"
    DELAY = "delay"
    IDLE = "idle"
    DRAIN = "drain"


@dataclass(frozen=True, slots=True)
class BatchPolicy:
    """The three bounds of a wave.

    `max_tokens` counts real tokens; one record that alone has more makes a wave of its own. `max_delay_s` runs from
    the moment the wave's first record was gathered, and is a bound: an idle model takes what there is before.
    """

    max_messages: int
    max_tokens: int
    max_delay_s: float


@immutable
class Gathered:
    """One record on its way: tokenized, or with the reason why it is dead already.

    `gathered_at` is monotonic seconds; `encode_s` is the record's share of its poll's tokenizer call.
    """

    record: Record
    text: Found | RecordError
    encoded: Encoded | None
    gathered_at: float
    encode_s: float = 0.0

    @property
    def tokens(self) -> int:
        return self.encoded.tokens if self.encoded is not None else 0


@dataclass(frozen=True, slots=True)
class Wave:
    """Records that are inferred, published and committed together; at least one, in the order they were polled."""

    items: tuple[Gathered, ...]
    membership: Membership
    reason: CloseReason

    @property
    def tokens(self) -> int:
        return sum(item.tokens for item in self.items)

    @property
    def offsets(self) -> Offsets:
        """The next offset of every partition in the wave: what its transaction commits."""
        following: dict[TopicPartition, int] = {}
        for item in self.items:
            following[item.record.topic_partition] = item.record.offset + 1
        return following


class WaveBuilder:
    """Accumulates gathered records; the front of what waits becomes a wave when `due` says so.

    Invariant: records leave in the order they came, each exactly once, and all of one `clear`-to-`clear` stretch were
    polled under one membership.
    """

    def __init__(self, policy: BatchPolicy) -> None:
        self._policy = policy
        self._waiting: deque[Gathered] = deque()
        self._tokens = 0
        self._membership: Membership | None = None

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def full(self) -> bool:
        """A whole wave waits: poll no more until it is taken."""
        return len(self._waiting) >= self._policy.max_messages or self._tokens >= self._policy.max_tokens

    def oldest_at(self) -> float | None:
        """When the longest-waiting record was gathered."""
        return self._waiting[0].gathered_at if self._waiting else None

    def add(self, items: list[Gathered], membership: Membership) -> None:
        """Append records polled under `membership`; may hold more than one wave afterwards."""
        if self._membership is None:
            self._membership = membership
        self._waiting.extend(items)
        self._tokens += sum(item.tokens for item in items)

    def due(self, now: float, *, wanted: bool, draining: bool) -> CloseReason | None:
        """Why a wave should be closed now, or None to keep gathering.

        `wanted`: the model has nothing to do, and waiting would gain nothing.
        """
        if not self._waiting:
            return None
        if len(self._waiting) >= self._policy.max_messages:
            return CloseReason.MESSAGES
        if self._tokens >= self._policy.max_tokens:
            return CloseReason.TOKENS
        if draining:
            return CloseReason.DRAIN
        if now - self._waiting[0].gathered_at >= self._policy.max_delay_s:
            return CloseReason.DELAY
        return CloseReason.IDLE if wanted else None

    def seconds_until_due(self, now: float) -> float | None:
        """How long until the delay bound closes a wave; None when nothing waits."""
        if not self._waiting:
            return None
        return max(0.0, self._waiting[0].gathered_at + self._policy.max_delay_s - now)

    def close(self, reason: CloseReason) -> Wave:
        """Take the front of what waits, within the bounds, as a wave."""
        if self._membership is None or not self._waiting:
            raise ValueError("no record waits: ask due() first")
        items: list[Gathered] = []
        tokens = 0
        while self._waiting and len(items) < self._policy.max_messages:
            following = self._waiting[0].tokens
            if items and tokens + following > self._policy.max_tokens:
                break
            tokens += following
            items.append(self._waiting.popleft())
        self._tokens -= tokens
        return Wave(tuple(items), self._membership, reason)

    def clear(self) -> None:
        """Forget everything (it will be polled again), and the membership it was polled under."""
        self._waiting.clear()
        self._tokens = 0
        self._membership = None
