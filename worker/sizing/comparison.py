"""The advised settings beside others, over the same simulated day: for `emostream advise --simulate` and the docs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from worker.sizing.advice import Advice, Wish, advise
from worker.sizing.autoscaler import CHART_DOWN, CHART_UP, Scaling
from worker.sizing.simulation import Costs, Day, Series, simulate
from worker.sizing.traffic import bursty_day

CHART_POLLING_S = 15.0
ADVISED = "advised"
KEDA_DEFAULTS = "KEDA's defaults"

EXAMPLE = Wish(rate=800, peak=6_000, usual=1_500, drain_s=120)
"""What the docs show."""
COLUMNS = (
    "settings",
    "lagThreshold",
    "workers",
    "pod hours",
    "rebalances",
    "stands still",
    "oldest p99",
    "oldest",
    "late",
)


@dataclass(frozen=True, slots=True)
class Comparison:
    """One day under several settings, in the order in which they are shown; `rates` is what came in."""

    wish: Wish
    advice: Advice
    costs: Costs
    rates: Series
    days: Mapping[str, tuple[Scaling, Day]]

    def rows(self) -> list[tuple[str, ...]]:
        """One row of text for each settings, in the order of COLUMNS."""
        return [self._row(name, scaling, day) for name, (scaling, day) in self.days.items()]

    def _row(self, name: str, scaling: Scaling, day: Day) -> tuple[str, ...]:
        fixed = scaling.min_replicas == scaling.max_replicas
        return (
            name,
            "-" if fixed else str(scaling.lag_threshold),
            f"{day.replicas.min():.0f}" if fixed else f"{day.replicas.min():.0f}-{day.replicas.max():.0f}",
            f"{day.pod_hours:.0f}",
            str(day.rebalances),
            duration(day.rebalances * self.costs.rebalance_s),
            duration(float(np.percentile(day.oldest_s, 99))),
            duration(float(day.oldest_s.max())),
            f"{day.late:.2%}",
        )


def compare(wish: Wish, costs: Costs, *, seed: int = 1) -> Comparison:
    """The advice for the wish beside KEDA's defaults and groups that are not scaled, over one day of bursts."""
    advice = advise(wish)
    rates = bursty_day(peak=wish.peak, usual=wish.usual, seed=seed)
    ours = Scaling(
        partitions=advice.partitions,
        lag_threshold=advice.lag_threshold,
        min_replicas=advice.min_replicas,
        max_replicas=advice.max_replicas,
        polling_s=CHART_POLLING_S,
        up=CHART_UP,
        down=CHART_DOWN,
    )
    settings = {
        ADVISED: ours,
        KEDA_DEFAULTS: Scaling(partitions=advice.partitions, max_replicas=min(100, advice.partitions)),
        "always the most": _fixed(ours, advice.max_replicas),
        "always the fewest": _fixed(ours, advice.min_replicas),
    }
    days = {name: (each, simulate(rates, each, costs, late_after_s=wish.drain_s)) for name, each in settings.items()}
    return Comparison(wish, advice, costs, rates, days)


def _fixed(scaling: Scaling, replicas: int) -> Scaling:
    return Scaling(
        partitions=scaling.partitions,
        lag_threshold=scaling.lag_threshold,
        min_replicas=replicas,
        max_replicas=replicas,
    )


def duration(seconds: float) -> str:
    """As people say it: 45 s, 12 min, 3.4 h."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
