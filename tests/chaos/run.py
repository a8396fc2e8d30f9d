"""One run: a site, a fleet, traffic, and one fault after the other; then the checker's verdict."""

from __future__ import annotations

import random
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

from tests.chaos.checker import Place, Verdict, judge
from tests.chaos.faults import USUAL_WORKERS, Faults
from tests.chaos.fleet import Death, Fleet
from tests.chaos.schedule import Fault
from tests.chaos.site import Site
from tests.chaos.traffic import Sender, Watcher, holds, inputs, outcomes

RECOVERY_TIMEOUT_S = 90.0
START_TIMEOUT_S = 90.0
STOP_TIMEOUT_S = 40.0


@dataclass(frozen=True)
class Hurt:
    """One fault and what it cost, in seconds.

    `stalled_s`: the longest that any partition had no new outcome, from the fault's beginning until all was recovered;
    `progress_s`: from the fault's end to the next outcome of any partition; `recovered_s`: from its end until every
    record sent before had its outcome; `redone`: records that workers gathered and had to read again.
    """

    fault: Fault
    stalled_s: float
    progress_s: float
    recovered_s: float
    recovered: bool
    redone: int


@dataclass
class Report:
    """What a run came to. `exits`: of the workers that were asked to end last."""

    verdict: Verdict
    hurts: list[Hurt]
    deaths: list[Death]
    exits: list[int]
    unpublished: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class _Span:
    fault: Fault
    began: float
    ended: float
    over: float
    recovered: bool


def run(
    site: Site,
    folder: Path,
    *,
    faults: Iterable[Fault],
    seed: int,
    seconds: float = float("inf"),
    delivery: str = "exactly-once",
    assignor: str = "cooperative-sticky",
    client: str = "kafka-python",
    rate: float = 60.0,
    partitions: int = 6,
    say: Callable[[str], None] = lambda _: None,
) -> Report:
    """Hurt workers with the faults, for at most about so many seconds (the last recovery comes on top), then judge.

    `seed`: of the traffic and the pauses between faults; `rate`: input records a second.
    """
    config = site.config(delivery=delivery, assignor=assignor, client=client)
    sender = Sender(site.direct, site.input, partitions=partitions, rate=rate, seed=seed)
    with Watcher(site.direct, site.outgoing) as watcher, Fleet(folder, config) as fleet:
        with sender:
            fleet.keep(USUAL_WORKERS)
            _await_first(watcher, fleet, partitions)
            spans = _hurt(Faults(site, fleet), faults, seconds, sender, watcher, random.Random(seed), say)
        holds(lambda: not _waiting(sender, watcher, float("inf")), RECOVERY_TIMEOUT_S)
        exits = fleet.stop(STOP_TIMEOUT_S)
        fleet.keep(0)
        seen, events = dict(watcher.seen), fleet.events()
    verdict = judge(
        inputs(site.direct, site.input),
        outcomes(site.direct, site.outgoing),
        uncommitted=len(outcomes(site.direct, site.outgoing, read_committed=False)),
    )
    hurts = [_measured(span, sender.acknowledged, seen, events) for span in spans]
    return Report(verdict, hurts, fleet.deaths, exits, _unpublished(events))


def _hurt(
    faults: Faults,
    planned: Iterable[Fault],
    seconds: float,
    sender: Sender,
    watcher: Watcher,
    rng: random.Random,
    say: Callable[[str], None],
) -> list[_Span]:
    until = time.time() + seconds
    spans: list[_Span] = []
    for fault in planned:
        time.sleep(rng.uniform(0.5, 3))
        began = time.time()
        if began + fault.lasts_s > until:
            return spans
        faults.do(fault)
        ended = time.time()
        recovered = holds(lambda: not _waiting(sender, watcher, ended), RECOVERY_TIMEOUT_S)  # noqa: B023 - used at once
        faults.restore()
        spans.append(_Span(fault, began, ended, time.time(), recovered))
        say(f"{fault.kind:38} {fault.lasts_s:5.1f} s, recovered after {time.time() - ended:5.1f} s: {recovered}")
    return spans


def _await_first(watcher: Watcher, fleet: Fleet, partitions: int) -> None:
    """Until every partition has had an outcome."""

    def started() -> bool:
        fleet.keep(USUAL_WORKERS)
        return bool(fleet.deaths) or len({place.partition for place in watcher.seen.copy()}) == partitions

    if not holds(started, START_TIMEOUT_S):
        raise AssertionError(f"the workers had no outcome of every partition within {START_TIMEOUT_S:g} s")
    if fleet.deaths:
        raise AssertionError(f"a worker ended before anything was done to it: {fleet.deaths[0]}")


def _waiting(sender: Sender, watcher: Watcher, before: float) -> int:
    """How many records that were sent before a moment have no outcome yet."""
    return sum(at <= before and place not in watcher.seen for place, at in sender.acknowledged.copy().items())


def _measured(
    span: _Span, sent: dict[Place, float], seen: dict[Place, float], events: Sequence[dict[str, Any]]
) -> Hurt:
    owed = [seen.get(place, span.over) for place, at in sent.items() if at <= span.ended]
    after = [at for at in seen.values() if span.ended < at < span.over]
    return Hurt(
        span.fault,
        stalled_s=_longest_gap(span, seen),
        progress_s=min(after, default=span.over) - span.ended,
        recovered_s=max(0.0, max(owed, default=span.ended) - span.ended),
        recovered=span.recovered,
        redone=sum(
            event["records"]
            for event in events
            if event["event"] == "wave.redone" and span.began <= event["at"] <= span.over
        ),
    )


def _longest_gap(span: _Span, seen: dict[Place, float]) -> float:
    partitions: dict[int, list[float]] = defaultdict(list)
    for place, at in seen.items():
        partitions[place.partition].append(at)
    longest = 0.0
    for times in partitions.values():
        ordered = sorted(times)
        for earlier, later in pairwise(ordered):
            longest = max(longest, min(later, span.over) - max(earlier, span.began))
    return longest


def _unpublished(events: Iterable[dict[str, Any]]) -> dict[str, int]:
    counts: dict[str, int] = defaultdict(int)
    for event in events:
        if event["event"] == "wave.not_published":
            counts[event["reason"]] += 1
    return dict(counts)
