"""From a measured rate to partitions, workers and the lag at which to scale. Pure; docs/operating.md, Sizing.

r  records a second of one worker          p  peak rate of the input
d  seconds in which a backlog is to go     s  seconds until new workers work (look, start, rebalance)

most workers     (p + p s / d) / r     the peak, and within d what piled up in s
fewest workers   usual rate / (0.8 r)  an ordinary hour leaves a fifth free
lag per worker   r (d - s) / 2         with n workers for n such lags and input for half of them, a lag is gone in d
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from worker.errors import ConfigError
from worker.sizing.group import EVEN, useful_rate, workers_for

BUSY = 0.8
"""Share of a worker's rate that an ordinary hour may take."""
INPUT_SHARE = 0.5
"""Share of the scaled group's rate that new records take while a lag is worked off."""
LEAST_WORK_S = 2.0
"""A lag of less than this is no lag: what is in hand and between two commits counts as such from outside."""
ROOM = (1.5, 4.0)
"""Partitions for each worker that the load needs: at least, at most."""
MOST_PARTITIONS = EVEN[-1]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What was measured, and what is wanted. Rates in records a second, durations in seconds.

    `usual`: the input's rate in an ordinary hour. `partitions`: what the input topics have already, if they are not to
    be changed; else at most `max_partitions` are advised. `reaction_s`: from a burst to new workers that work.
    `cpus` and `memory_mib`: what one worker had when `rate` was measured, and what it took.
    """

    rate: float
    peak: float
    usual: float
    drain_s: float
    reaction_s: float = 45.0
    partitions: int | None = None
    max_partitions: int = MOST_PARTITIONS
    cpus: float = 2.0
    memory_mib: int = 1024

    def __post_init__(self) -> None:
        for name in ("rate", "peak", "usual", "drain_s", "cpus"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0):
                raise ConfigError(f"{name.removesuffix('_s')}: {value:g} is not a positive number")
        if self.usual > self.peak:
            raise ConfigError(f"usual: {self.usual:g} a second is more than the peak of {self.peak:g}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """What to set. `peak_backlog_drain_s`: how long what piled up at the peak takes to go (inf: never)."""

    partitions: int
    min_replicas: int
    max_replicas: int
    lag_threshold: int
    cpus: float
    memory_request_mib: int
    memory_limit_mib: int
    peak_backlog_drain_s: float
    notes: tuple[str, ...]


def advise(wish: Wish) -> Advice:
    """Partitions, workers and lagThreshold for the wish. Where it cannot be met, the notes say so."""
    load = wish.peak * (1.0 + wish.reaction_s / wish.drain_s)
    partitions = wish.partitions or _partitions(load, wish)
    most = workers_for(load, rate=wish.rate, partitions=partitions) or partitions
    always = wish.peak if wish.drain_s < wish.reaction_s else wish.usual
    fewest = workers_for(always / BUSY, rate=wish.rate, partitions=partitions) or partitions
    drain_s = _drain_s(wish, useful_rate(wish.rate, workers=most, partitions=partitions))
    return Advice(
        partitions=partitions,
        min_replicas=min(fewest, most),
        max_replicas=most,
        lag_threshold=_lag_threshold(wish),
        cpus=wish.cpus,
        memory_request_mib=wish.memory_mib,
        memory_limit_mib=2 * wish.memory_mib,
        peak_backlog_drain_s=drain_s,
        notes=tuple(_notes(wish, partitions, most, drain_s)),
    )


def helm_values(advice: Advice) -> dict[str, object]:
    """The advice as values of the chart: what goes into a file for `helm install --values`."""
    return {
        "keda": {
            "enabled": True,
            "partitions": advice.partitions,
            "minReplicas": advice.min_replicas,
            "maxReplicas": advice.max_replicas,
            "lagThreshold": advice.lag_threshold,
        },
        "resources": {
            "requests": {"cpu": f"{advice.cpus:g}", "memory": f"{advice.memory_request_mib}Mi"},
            "limits": {"cpu": f"{advice.cpus:g}", "memory": f"{advice.memory_limit_mib}Mi"},
        },
    }


def _partitions(load: float, wish: Wish) -> int:
    """Room for half as many workers again, and of such numbers the one over which the load needs the fewest workers."""
    needed = math.ceil(load / wish.rate)
    roomy = [count for count in EVEN if needed * ROOM[0] <= count <= min(needed * ROOM[1], wish.max_partitions)]
    return min(
        roomy,
        key=lambda count: (workers_for(load, rate=wish.rate, partitions=count) or count, count),
        default=wish.max_partitions,
    )


def _lag_threshold(wish: Wish) -> int:
    return round(wish.rate * max(LEAST_WORK_S, (wish.drain_s - wish.reaction_s) * (1.0 - INPUT_SHARE)))


def _drain_s(wish: Wish, useful: float) -> float:
    spare = useful - wish.peak
    return wish.peak * wish.reaction_s / spare if spare > 0 else math.inf


def _notes(wish: Wish, partitions: int, workers: int, drain_s: float) -> list[str]:
    notes = []
    if math.isinf(drain_s):
        notes.append(
            f"{partitions} partitions are too few: one worker each does no more than the peak of {wish.peak:g} a second"
        )
    elif drain_s > wish.drain_s:
        notes.append(
            f"{partitions} partitions are too few: a burst's backlog takes {drain_s:.0f} s to go, not {wish.drain_s:g}"
        )
    even = partitions / workers
    if even != int(even):
        notes.append(
            f"{workers} workers do not divide {partitions} partitions: the busiest has {math.ceil(even)}, some "
            f"{math.floor(even)}"
        )
    half = math.ceil(partitions / 2)
    if half + 1 < workers and not wish.drain_s < wish.reaction_s:
        notes.append(
            f"{half + 1} to {partitions - 1} workers do no more than {half} over {partitions} partitions: bursts last "
            "longer on the way up; twice the partitions would help"
        )
    if wish.drain_s < wish.reaction_s:
        notes.append(
            f"new workers need {wish.reaction_s:g} s to work at all, so for {wish.drain_s:g} s as many as the peak "
            "needs always run"
        )
    return notes
