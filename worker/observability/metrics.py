"""Counting what the worker does, in the worker's words; a few calls for each wave, none for each record.

What there is to count is declared in `catalogue`; who serves it is `server`.
"""

from __future__ import annotations

import math
import platform
import threading
from collections.abc import Iterable, Mapping
from typing import TypeVar

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, disable_created_metrics

from worker import __version__
from worker.batching import CloseReason
from worker.clock import Clock, SystemClock
from worker.decision.drift import DriftState
from worker.errors import DeadReason
from worker.observability import catalogue
from worker.observability.bulk_histogram import BulkHistogram
from worker.observability.catalogue import Entry
from worker.policy_file import Reload
from worker.ports import InferenceStats
from worker.records import ModelInfo, Outcome, TopicPartition
from worker.wave_report import PublicationResult, WaveReport, WaveStage

_Labelled = TypeVar("_Labelled", Counter, Histogram)
_Label = TypeVar("_Label", bound=str)


class Metrics:
    """The worker's metrics in a registry of their own. Thread-safe."""

    def __init__(self, *, clock: Clock | None = None) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]  # a second series for each counter, which nothing here asks for
        self.registry = CollectorRegistry(auto_describe=False)
        self._clock = clock or SystemClock()
        self._oldest_since: float | None = None
        self._lag_shown: set[TopicPartition] = set()
        self._lag_lock = threading.Lock()
        self._declare_records()
        self._declare_waves()
        self._declare_kafka()
        self._declare_inference()
        ProcessCollector(registry=self.registry)

    def consumed(self, topic: str, count: int) -> None:
        """So many records were read."""
        self._consumed.labels(topic).inc(count)

    def redone(self, count: int) -> None:
        """So many records in hand were dropped and will be read again."""
        self._redone.inc(count)

    def wave_published(self, report: WaveReport) -> None:
        """A wave is durably published."""
        self._waves.labels(report.close_reason).inc()
        self._wave_messages.observe(report.messages)
        self._wave_tokens.observe(report.tokens)
        if report.padding_ratio is not None:
            self._padding.observe(report.padding_ratio)
        for stage, seconds in report.stage_s.items():
            self._stages.labels(stage).observe(seconds)
        _count(self._outcomes, report.outcomes)
        _count(self._labels, report.labels)
        _count(self._reasons, report.reasons)
        _count(self._dead, report.dead_reasons)
        self._delays.observe_all(report.delays_s)
        self._inferred(report.stats)

    def drifted(self, state: DriftState | None) -> None:
        """What the policy's drift check sees; None: the policy in force has none."""
        self._psi.set(math.nan if state is None else state.psi)
        self._alarm.set(state is not None and state.alarm)
        self._expected_accuracy.set(math.nan if state is None else state.expected_accuracy)

    def policy_reload(self, result: Reload) -> None:
        """A changed policy file was found."""
        self._policy_reloads.labels(result).inc()

    def rebalanced(self) -> None:
        """The group rebalanced."""
        self._rebalances.inc()

    def transaction(self, result: PublicationResult) -> None:
        """A publication ended."""
        self._transactions.labels(result).inc()

    def lag(self, records: Mapping[TopicPartition, int]) -> None:
        """The lag of the partitions owned now, where it is known; others are no longer shown."""
        with self._lag_lock:
            for gone in self._lag_shown - records.keys():
                self._lag.remove(gone.topic, str(gone.partition))
            for partition, behind in records.items():
                self._lag.labels(partition.topic, str(partition.partition)).set(behind)
            self._lag_shown = set(records)

    def assigned(self, partitions: int) -> None:
        """So many partitions are owned now; not each has a lag that is known."""
        self._assigned.set(partitions)

    def oldest_unprocessed(self, age_s: float) -> None:
        """How long the oldest record in hand has been waiting; 0: none is.

        The age shown goes on growing between calls, so that it also tells of a loop that is stuck.
        """
        self._oldest_since = self._clock.monotonic() - age_s if age_s > 0 else None

    def model(self, info: ModelInfo) -> None:
        """The model in use."""
        self._model.clear()
        self._model.labels(info.name, info.revision, info.task, info.backend, info.precision, info.device).set(1)

    def _declare_records(self) -> None:
        self._consumed = self._counter(catalogue.RECORDS_CONSUMED)
        self._redone = self._counter(catalogue.RECORDS_REDONE)
        self._outcomes = _started(self._counter(catalogue.OUTCOMES), Outcome)
        self._labels = self._counter(catalogue.ACCEPTED_LABELS)
        self._reasons = self._counter(catalogue.REVIEW_REASONS)
        self._dead = _started(self._counter(catalogue.DEAD_LETTERS), DeadReason)
        self._psi = self._gauge(catalogue.DRIFT_PSI)
        self._alarm = self._gauge(catalogue.DRIFT_ALARM)
        self._expected_accuracy = self._gauge(catalogue.EXPECTED_ACCURACY)
        self._policy_reloads = _started(self._counter(catalogue.POLICY_RELOADS), Reload)
        self.drifted(None)

    def _declare_waves(self) -> None:
        self._waves = _started(self._counter(catalogue.WAVES), CloseReason)
        self._wave_messages = self._histogram(catalogue.WAVE_MESSAGES)
        self._wave_tokens = self._histogram(catalogue.WAVE_TOKENS)
        self._padding = self._histogram(catalogue.WAVE_PADDING_RATIO)
        self._stages = _started(self._histogram(catalogue.WAVE_STAGE_SECONDS), WaveStage)
        delay = catalogue.END_TO_END_SECONDS
        self._delays = BulkHistogram(delay.name, delay.about, buckets=delay.buckets, registry=self.registry)

    def _declare_kafka(self) -> None:
        self._lag = self._gauge(catalogue.LAG_RECORDS)
        self._assigned = self._gauge(catalogue.ASSIGNED_PARTITIONS)
        self._gauge(catalogue.OLDEST_UNPROCESSED_SECONDS).set_function(self._oldest_age)
        self._rebalances = self._counter(catalogue.REBALANCES)
        self._transactions = _started(self._counter(catalogue.TRANSACTIONS), PublicationResult)

    def _declare_inference(self) -> None:
        self._texts = self._counter(catalogue.INFERENCE_TEXTS)
        self._repeated = self._counter(catalogue.INFERENCE_REPEATED_TEXTS)
        self._isolated = self._counter(catalogue.INFERENCE_ISOLATED_TEXTS)
        self._passes = self._counter(catalogue.INFERENCE_FORWARD_PASSES)
        self._real_tokens = self._counter(catalogue.INFERENCE_REAL_TOKENS)
        self._padded_tokens = self._counter(catalogue.INFERENCE_PADDED_TOKENS)
        self._model = self._gauge(catalogue.MODEL_INFO)
        self._gauge(catalogue.BUILD_INFO).labels(__version__, platform.python_version()).set(1)

    def _inferred(self, stats: InferenceStats) -> None:
        self._texts.inc(stats.texts)
        self._repeated.inc(stats.repeated)
        self._isolated.inc(stats.isolated)
        self._passes.inc(stats.forward_passes)
        self._real_tokens.inc(stats.real_tokens)
        self._padded_tokens.inc(stats.padded_tokens)

    def _oldest_age(self) -> float:
        since = self._oldest_since
        return 0.0 if since is None else max(0.0, self._clock.monotonic() - since)

    def _counter(self, entry: Entry) -> Counter:
        return Counter(entry.name, entry.about, entry.labels, registry=self.registry)

    def _gauge(self, entry: Entry) -> Gauge:
        return Gauge(entry.name, entry.about, entry.labels, registry=self.registry)

    def _histogram(self, entry: Entry) -> Histogram:
        return Histogram(entry.name, entry.about, entry.labels, buckets=entry.buckets, registry=self.registry)


def _started(metric: _Labelled, values: Iterable[str]) -> _Labelled:
    """With a zero for each label value, so that the first increase is seen as one."""
    for value in values:
        metric.labels(value)
    return metric


def _count(counter: Counter, counts: Mapping[_Label, int]) -> None:
    for label, count in counts.items():
        counter.labels(label).inc(count)
