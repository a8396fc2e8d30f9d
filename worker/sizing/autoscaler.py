"""What KEDA's Kafka trigger and the horizontal pod autoscaler make of a lag. Pure: asked with `now` and the lag.

The rules are those of Kubernetes 1.33 (pkg/controller/podautoscaler: tolerance, policies, stabilisation) and KEDA 2.17
(pkg/scalers/kafka: the lag counts for at most lagThreshold x partitions; pkg/scaling/executor: 0 and 1).
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field

TOLERANCE = 0.1
SYNC_S = 15.0
"""How often the autoscaler looks (its controller's --horizontal-pod-autoscaler-sync-period)."""


@dataclass(frozen=True, slots=True)
class Step:
    """One policy: at most so many `pods`, or so many `percent` of the pods, within `period_s`."""

    period_s: float
    pods: int = 0
    percent: int = 0


@dataclass(frozen=True, slots=True)
class Behaviour:
    """How fast replicas may change in one direction; of several steps the largest change counts."""

    steps: tuple[Step, ...]
    stabilisation_s: float = 0.0


DEFAULT_UP = Behaviour((Step(15, percent=100), Step(15, pods=4)))
DEFAULT_DOWN = Behaviour((Step(15, percent=100),), stabilisation_s=300.0)
CHART_UP = Behaviour((Step(30, percent=100), Step(30, pods=4)))
CHART_DOWN = Behaviour((Step(120, percent=50),), stabilisation_s=300.0)
"""`keda.behavior` in helm/emostream/values.yaml; a test holds them together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scaling:
    """A ScaledObject's settings; the defaults are KEDA's, but for `max_replicas` (100) above the partitions."""

    partitions: int
    lag_threshold: int = 10
    activation_lag: int = 0
    min_replicas: int = 0
    max_replicas: int = 100
    polling_s: float = 30.0
    cooldown_s: float = 300.0
    up: Behaviour = DEFAULT_UP
    down: Behaviour = DEFAULT_DOWN


@dataclass(slots=True)
class Autoscaler:
    """KEDA and its autoscaler over one Deployment; `replicas` is what they want now."""

    scaling: Scaling
    replicas: int = 0
    _recommended: deque[tuple[float, int]] = field(default_factory=deque)
    _changes: deque[tuple[float, int]] = field(default_factory=deque)
    _synced_at: float = -math.inf
    _polled_at: float = -math.inf
    _active_at: float = -math.inf

    def look(self, now: float, lag: float) -> int:
        """The replicas wanted at `now` (seconds), the group being `lag` records behind."""
        if now >= self._polled_at + self.scaling.polling_s:
            self._polled_at = now
            self._switch(now, lag)
        if self.replicas and now >= self._synced_at + SYNC_S:
            self._synced_at = now
            self._set(now, self._limited(now, self._stable(now, self._by_lag(lag))))
        return self.replicas

    def _switch(self, now: float, lag: float) -> None:
        """KEDA's own part: from 0 to 1 when there is something, to 0 when there was nothing for long enough."""
        if lag > self.scaling.activation_lag:
            self._active_at = now
            self._set(now, max(1, self.replicas))
        elif self.scaling.min_replicas == 0 and now - self._active_at >= self.scaling.cooldown_s:
            self._set(now, 0)
            self._recommended.clear()

    def _by_lag(self, lag: float) -> int:
        """ceil(lag / lagThreshold), unless the lag is within a tenth of what the replicas there are stand for."""
        scaling = self.scaling
        counted = min(lag, float(scaling.lag_threshold * scaling.partitions))
        if abs(counted / (scaling.lag_threshold * self.replicas) - 1.0) <= TOLERANCE:
            wanted = self.replicas
        else:
            wanted = math.ceil(counted / scaling.lag_threshold)
        return max(1, scaling.min_replicas, min(scaling.max_replicas, wanted))

    def _stable(self, now: float, wanted: int) -> int:
        """Up to the least that was recommended in the window for up, down to the most in that for down."""
        self._recommended.append((now, wanted))
        up_from, down_from = now - self.scaling.up.stabilisation_s, now - self.scaling.down.stabilisation_s
        while self._recommended[0][0] < min(up_from, down_from):
            self._recommended.popleft()
        least = min(count for at, count in self._recommended if at >= up_from)
        most = max(count for at, count in self._recommended if at >= down_from)
        return min(max(self.replicas, least), most)

    def _limited(self, now: float, wanted: int) -> int:
        if wanted > self.replicas:
            return min(wanted, max(self._highest(now, step) for step in self.scaling.up.steps))
        return max(wanted, min(self._lowest(now, step) for step in self.scaling.down.steps))

    def _highest(self, now: float, step: Step) -> int:
        began = self.replicas - sum(change for at, change in self._changes if change > 0 and at > now - step.period_s)
        return began + step.pods if step.pods else math.ceil(began * (1.0 + step.percent / 100.0))

    def _lowest(self, now: float, step: Step) -> int:
        began = self.replicas - sum(change for at, change in self._changes if change < 0 and at > now - step.period_s)
        return began - step.pods if step.pods else int(began * (1.0 - step.percent / 100.0))

    def _set(self, now: float, replicas: int) -> None:
        if replicas != self.replicas:
            self._changes.append((now, replicas - self.replicas))
            self.replicas = replicas
        longest = max(step.period_s for step in (*self.scaling.up.steps, *self.scaling.down.steps))
        while self._changes and self._changes[0][0] <= now - longest:
            self._changes.popleft()
