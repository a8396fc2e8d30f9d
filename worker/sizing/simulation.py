"""A day of a scaled consumer group: lag by partition, workers that come and go, and what each rebalance costs. Pure.

Records are a fluid; partitions get equal shares. A worker does `rate` records a second over its partitions. A new pod
works `start_s` after it was wanted; whenever the number of workers changes, all of them stand still for `rebalance_s`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from worker.sizing.autoscaler import Autoscaler, Scaling

Series = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Costs:
    """What a worker does and what a change costs, in records a second and seconds.

    `in_hand_s`: from reading a record to its commit; what is in hand counts as lag to whoever looks from outside.
    """

    rate: float
    start_s: float = 20.0
    rebalance_s: float = 3.0
    in_hand_s: float = 0.2


@dataclass(frozen=True, slots=True)
class Day:
    """What happened, step by step (float64 [steps]): workers that were there, lag in records, oldest age in seconds.

    `rebalances`: changes of the group; `late`: share of the records that were done later than `late_after_s`.
    """

    step_s: float
    replicas: Series
    lag: Series
    oldest_s: Series
    rebalances: int
    late: float

    @property
    def pod_hours(self) -> float:
        return float(self.replicas.sum() * self.step_s / 3600.0)


class _Pods:
    """Pods that are wanted, those of them that work, and whether the group stands still."""

    def __init__(self, costs: Costs, *, working: int) -> None:
        self._costs = costs
        self._ready_at: list[float] = [0.0] * working
        self._still_until = 0.0
        self.working = working
        self.rebalances = 0

    def want(self, count: int, now: float) -> None:
        """Add pods that start now, or remove the youngest; count what works, and a rebalance if that has changed."""
        del self._ready_at[count:]
        self._ready_at += [now + self._costs.start_s] * (count - len(self._ready_at))
        working = sum(ready <= now for ready in self._ready_at)
        if working != self.working:
            self.working = working
            self.rebalances += 1
            self._still_until = now + self._costs.rebalance_s

    def moving_s(self, now: float, step_s: float) -> float:
        """How much of the step from `now` on the group works."""
        return max(0.0, min(step_s, now + step_s - self._still_until))

    def __len__(self) -> int:
        return len(self._ready_at)


def simulate(rates: Series, scaling: Scaling, costs: Costs, *, late_after_s: float, step_s: float = 5.0) -> Day:
    """The day of a group that is scaled so; it begins with `min_replicas` workers that work.

    `rates`: records a second that come in, in each step of `step_s` seconds.
    """
    scaler = Autoscaler(scaling, replicas=scaling.min_replicas)
    pods = _Pods(costs, working=scaling.min_replicas)
    partitions = scaling.partitions
    backlog = np.zeros(partitions)
    arrived = np.cumsum(rates * step_s) / partitions
    rows = np.empty((len(rates), 3))
    done = late = 0.0
    for index, rate in enumerate(rates):
        now = index * step_s
        in_hand = rate * costs.in_hand_s if pods.working else 0.0
        pods.want(scaler.look(now, float(backlog.sum()) + in_hand), now)
        backlog += rate * step_s / partitions
        before = backlog.sum()
        _work(backlog, min(pods.working, partitions), costs.rate * pods.moving_s(now, step_s))
        oldest_s = _age(arrived, index, float(backlog.max())) * step_s
        done += before - backlog.sum()
        late += (before - backlog.sum()) * (oldest_s > late_after_s)
        rows[index] = len(pods), backlog.sum(), oldest_s
    return Day(step_s, rows[:, 0], rows[:, 1], rows[:, 2], pods.rebalances, late / done if done else 0.0)


def _work(backlog: Series, workers: int, each: float) -> None:
    """Every worker does up to `each` records of its partitions, evenly by what lies in them."""
    if workers == 0:
        return
    owner = np.arange(len(backlog)) % workers
    lying = np.bincount(owner, backlog, minlength=workers)
    keep = np.maximum(0.0, 1.0 - each / np.maximum(lying, 1e-9))
    backlog *= keep[owner]


def _age(arrived: Series, index: int, most: float) -> int:
    """Steps since the oldest record of the fullest partition came in; 0 when nothing lies there."""
    if most < 1.0:
        return 0
    first = int(np.searchsorted(arrived[: index + 1], arrived[index] - most, side="right"))
    return index - first
