"""A Prometheus histogram that takes many values in one call: prometheus-client's own takes one, under a lock each."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import ArrayLike
from prometheus_client.core import HistogramMetricFamily
from prometheus_client.registry import Collector, CollectorRegistry


class BulkHistogram(Collector):
    """Counts values in buckets with inclusive upper bounds; thread-safe."""

    def __init__(self, name: str, documentation: str, *, buckets: Sequence[float], registry: CollectorRegistry) -> None:
        self._name = name
        self._documentation = documentation
        self._bounds = np.append(np.asarray(buckets, np.float64), np.inf)
        self._counts = np.zeros(len(self._bounds), np.int64)
        self._sum = 0.0
        self._lock = threading.Lock()
        registry.register(self)

    def observe_all(self, values: ArrayLike) -> None:
        """Count every value (float64 [n], finite, n may be 0)."""
        observed = np.asarray(values, np.float64)
        in_bucket = np.searchsorted(self._bounds, observed, side="left")
        counts = np.bincount(in_bucket, minlength=len(self._bounds))
        with self._lock:
            self._counts += counts
            self._sum += float(observed.sum())

    def collect(self) -> Iterable[HistogramMetricFamily]:
        with self._lock:
            cumulative, total = np.cumsum(self._counts), self._sum
        buckets = [(_upper_bound(bound), float(count)) for bound, count in zip(self._bounds, cumulative, strict=True)]
        yield HistogramMetricFamily(self._name, self._documentation, buckets=buckets, sum_value=total)


def _upper_bound(bound: float) -> str:
    return "+Inf" if np.isinf(bound) else str(float(bound))
