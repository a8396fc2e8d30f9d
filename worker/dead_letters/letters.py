"""A dead letter as it is looked at: the record it was, what was wrong with it, and whether somebody asked for it. Pure.

Anybody who may write to the dead-letter topic may have written what stands there, so nothing of it is trusted.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from schemas.dead_letter import REPLAYS_HEADER, DeadLetterHeaders, DeadReason, Stage
from worker.errors import ConfigError
from worker.records import Header, Record

UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
MOST_REPLAYS = 1_000_000


class Left(StrEnum):
    """Why a letter is not sent back; the meaning is a sentence for people."""

    NOT_ASKED_FOR = "not asked for"
    NO_LETTER = "not written by emostream"
    OTHER_TOPIC = "from a topic that is not in kafka.input_topics"
    NO_CONTENT = "only its place was kept, because it was too large for the dead-letter topic"
    TOO_LARGE = "larger than its topic allows now"


@dataclass(frozen=True, slots=True)
class Letter:
    """One record of the dead-letter topic. `headers`: the original record's; `replays`: how often it was sent back."""

    record: Record
    headers: tuple[Header, ...]
    ours: DeadLetterHeaders
    replays: int

    @classmethod
    def read(cls, record: Record) -> Letter | None:
        """None for what is not a dead letter."""
        try:
            own, ours = DeadLetterHeaders.split(record.headers)
        except ValueError:
            return None
        counts = [_count(value) for name, value in own if name == REPLAYS_HEADER]
        headers = tuple(header for header in own if header[0] != REPLAYS_HEADER)
        return cls(record, headers, ours, counts[-1] if counts else 0)

    @property
    def headers_to_send(self) -> tuple[Header, ...]:
        """The original ones, and how often it has been sent back then."""
        return (*self.headers, (REPLAYS_HEADER, str(self.replays + 1).encode()))


@dataclass(frozen=True, slots=True)
class Selection:
    """Which letters are asked for: those that pass every filter; an empty filter lets everything pass.

    `partitions`: of the source topic. `since` and `until`: when the record was given up, seconds since 1970, the end
    not included. `max_replays`: leaves what was sent back so often already.
    """

    reasons: frozenset[DeadReason] = frozenset()
    stages: frozenset[Stage] = frozenset()
    topics: frozenset[str] = frozenset()
    partitions: frozenset[int] = frozenset()
    since: float = float("-inf")
    until: float = float("inf")
    max_replays: int | None = None

    def takes(self, letter: Letter) -> bool:
        ours = letter.ours
        return (
            self.since <= letter.record.timestamp_ms / 1000 < self.until
            and (not self.reasons or ours.reason in self.reasons)
            and (not self.stages or ours.stage in self.stages)
            and (not self.topics or ours.source_topic in self.topics)
            and (not self.partitions or ours.source_partition in self.partitions)
            and (self.max_replays is None or letter.replays < self.max_replays)
        )


def moment(written: str, *, option: str, now: float) -> float:
    """Seconds since 1970 of `2026-11-21T10:00:00Z` (UTC without a zone), or of `90m` before `now`. Raises ConfigError.

    Units: s, m, h, d, w.
    """
    number, unit = written[:-1], written[-1:]
    if number.isascii() and number.isdigit() and len(number) < 10 and unit in UNITS_S:
        return now - timedelta(seconds=int(number) * UNITS_S[unit]).total_seconds()
    try:
        parsed = datetime.fromisoformat(written)
        return (parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        raise ConfigError(
            f"{option}: {written!r} is neither a time like 2026-11-21T10:00 nor an age like 90m"
        ) from None


def _count(value: bytes | None) -> int:
    """Whatever a producer wrote there; what is no sensible number counts as none."""
    digits = value or b""
    return min(int(digits), MOST_REPLAYS) if digits.isdigit() and len(digits) < 10 else 0
