"""Whether every message got its outcome: what was sent against what the three topics hold. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import orjson

from worker.demo.messages import Message
from worker.demo.outcomes import DeadLetter, Event, Outcome, Place
from worker.records import Destination


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was found, by place in the input topic. `exactly_once`: more than one outcome counts as a fault.

    `repeated`: with more than one outcome. `unsent`: outcomes of messages that nobody sent. `misordered`: outcomes
    behind that of a later message of their partition. `misjudged`: bad ones with an event, good ones dead, or dead for
    another reason than theirs. `altered`: what came out is not what went in.
    """

    messages: int
    exactly_once: bool
    outcomes: Mapping[Destination, int]
    lost: tuple[Place, ...]
    repeated: tuple[Place, ...]
    unsent: tuple[Place, ...]
    misordered: tuple[Place, ...]
    misjudged: tuple[Place, ...]
    altered: tuple[Place, ...]

    @property
    def each_has_its_outcome(self) -> bool:
        """Exactly one, or at least one where no more was promised."""
        return not (self.lost or self.unsent or (self.repeated and self.exactly_once))

    @property
    def good(self) -> bool:
        return self.each_has_its_outcome and not (self.misordered or self.misjudged or self.altered)


def check(sent: Mapping[Place, Message], outcomes: Iterable[Outcome], *, exactly_once: bool) -> Verdict:
    """Judge a finished run. `outcomes`: all of the three topics, each partition in its order; none is kept."""
    findings = _Findings()
    for each in outcomes:
        findings.add(each, sent.get(each.source))
    return Verdict(
        messages=len(sent),
        exactly_once=exactly_once,
        outcomes=findings.by_destination,
        lost=tuple(sorted(sent.keys() - findings.times.keys())),
        repeated=tuple(sorted(place for place, times in findings.times.items() if times > 1)),
        unsent=tuple(sorted(findings.times.keys() - sent.keys())),
        misordered=tuple(findings.misordered),
        misjudged=tuple(findings.misjudged),
        altered=tuple(findings.altered),
    )


@dataclass
class _Findings:
    """What the outcomes so far show. A repeat counts as one, and is otherwise passed over."""

    times: Counter[Place] = field(default_factory=Counter)
    by_destination: Counter[Destination] = field(default_factory=Counter)
    misordered: list[Place] = field(default_factory=list)
    misjudged: list[Place] = field(default_factory=list)
    altered: list[Place] = field(default_factory=list)
    _latest: dict[tuple[str, int, int], int] = field(default_factory=dict)

    def add(self, outcome: Outcome, message: Message | None) -> None:
        self.times[outcome.source] += 1
        if self.times[outcome.source] > 1:
            return
        self.by_destination[outcome.destination] += 1
        if self._is_late(outcome):
            self.misordered.append(outcome.source)
        if message is None:
            return
        if _judged(outcome) != message.reason:
            self.misjudged.append(outcome.source)
        if not _carries(outcome, message):
            self.altered.append(outcome.source)

    def _is_late(self, outcome: Outcome) -> bool:
        """Whether it stands behind the outcome of a later message of its partition."""
        partition, offset = outcome.source
        lane = (outcome.record.topic, outcome.record.partition, partition)
        latest = self._latest.get(lane, -1)
        self._latest[lane] = max(offset, latest)
        return offset < latest


def _judged(outcome: Outcome) -> str | None:
    return outcome.content.reason if isinstance(outcome.content, DeadLetter) else None


def _carries(outcome: Outcome, message: Message) -> bool:
    """A dead letter holds the message byte for byte, an event its JSON value; both have its key."""
    if outcome.record.key != message.key:
        return False
    if isinstance(outcome.content, Event):
        return message.reason is not None or outcome.content.payload == orjson.loads(message.value or b"null")
    return outcome.record.value == message.value and not outcome.content.headers
