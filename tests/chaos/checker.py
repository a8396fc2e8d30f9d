"""Judges what became of every record, from what stands in the topics alone. Pure.

Lost: no outcome. Duplicated: more than one that a read-committed reader sees. Misordered: an outcome that first stands
behind one of a later record of its input partition, in the partition it was written to.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple


class Place(NamedTuple):
    """The identity of an input record."""

    topic: str
    partition: int
    offset: int


class Outcome(NamedTuple):
    """An outgoing record: which input record it belongs to, and the log it stands in (topic and partition)."""

    source: Place
    log: tuple[str, int]


@dataclass(frozen=True)
class Verdict:
    """`repeated`: duplicated records, and `strangers` outcomes of records that were never sent. `redone`: outcomes
    that stand in the logs but that no read-committed reader sees: work that was thrown away."""

    sent: int
    lost: tuple[Place, ...]
    duplicated: tuple[Place, ...]
    misordered: tuple[Place, ...]
    strangers: tuple[Place, ...]
    redone: int

    @property
    def exactly_once(self) -> bool:
        return not (self.lost or self.duplicated or self.misordered or self.strangers)

    @property
    def at_least_once(self) -> bool:
        return not (self.lost or self.misordered or self.strangers)

    def __str__(self) -> str:
        return (
            f"{self.sent} sent, {len(self.lost)} lost, {len(self.duplicated)} duplicated, "
            f"{len(self.misordered)} misordered, {len(self.strangers)} strangers, {self.redone} redone"
        )


def judge(sent: Iterable[Place], committed: Sequence[Outcome], *, uncommitted: int | None = None) -> Verdict:
    """`committed`: every outgoing record that a read-committed reader sees, each log in its order.

    `uncommitted`: how many stand in the logs altogether, aborted ones included (None: as many).
    """
    expected = set(sent)
    counts = Counter(outcome.source for outcome in committed)
    written = len(committed) if uncommitted is None else uncommitted
    return Verdict(
        sent=len(expected),
        lost=tuple(sorted(expected - counts.keys())),
        duplicated=tuple(sorted(place for place, count in counts.items() if count > 1)),
        misordered=tuple(_misordered(committed)),
        strangers=tuple(sorted(counts.keys() - expected)),
        redone=written - len(committed),
    )


def _misordered(outcomes: Iterable[Outcome]) -> list[Place]:
    """Repeats are judged by their first appearance: at-least-once may go back, but not skip."""
    seen: set[tuple[Place, tuple[str, int]]] = set()
    furthest: dict[tuple[tuple[str, int], str, int], int] = {}
    found = []
    for source, log in outcomes:
        if (source, log) in seen:
            continue
        seen.add((source, log))
        way = (log, source.topic, source.partition)
        if source.offset < furthest.get(way, -1):
            found.append(source)
        furthest[way] = max(furthest.get(way, -1), source.offset)
    return found
