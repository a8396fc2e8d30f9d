"""What the pump does, told to metrics, logs and health: the pump's `Observer`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import structlog

from worker.clock import Clock
from worker.decision.drift import DriftState
from worker.errors import BrokerError, Fenced, OutcomeUnknown
from worker.observability.health import Health
from worker.observability.logging import log_wave
from worker.observability.metrics import Metrics
from worker.ports import Source
from worker.wave_report import PublicationResult, WaveReport, WaveStage

if TYPE_CHECKING:
    from worker.pump import Published

log = structlog.get_logger(__name__)

LOOK_EVERY_S = 1.0
LOST_AFTER_S = 30.0


class Watch:
    """Keeps metrics, the log and health up to date with one pump. Called from the pump's thread only."""

    def __init__(self, *, metrics: Metrics, health: Health, clock: Clock) -> None:
        self._metrics = metrics
        self._health = health
        self._clock = clock
        self._look_at = 0.0
        self._assigned: int | None = None
        self._joined_at = float("-inf")
        self._alarmed = False

    def consumed(self, topic: str, count: int) -> None:
        self._metrics.consumed(topic, count)

    def published(self, published: Published) -> None:
        self._health.progress(self._clock.monotonic())
        self._metrics.transaction(PublicationResult.COMMITTED)
        report = report_of(published, now=self._clock.time())
        self._metrics.wave_published(report)
        log_wave(report)
        _trace(published, report)
        self._drifted(published.processed.drift)

    def _drifted(self, drift: DriftState | None) -> None:
        """`drift` is that of the policy which decided the wave; a policy that is taken over begins without an alarm."""
        self._metrics.drifted(drift)
        before, self._alarmed = self._alarmed, drift is not None and drift.alarm
        if drift is not None and drift.alarm and not before:
            log.warning(
                "decision.drift",
                psi=round(drift.psi, 3),
                expected_accuracy=round(drift.expected_accuracy, 3),
                records=drift.records,
                meaning="the texts are no longer like those the policy was calibrated on; its guarantee may not hold",
            )

    def publish_failed(self, error: BrokerError) -> None:
        result = PublicationResult.FAILED
        if isinstance(error, OutcomeUnknown):
            result = PublicationResult.UNKNOWN
        elif isinstance(error, Fenced):
            result = PublicationResult.FENCED
        self._metrics.transaction(result)
        log.warning("wave.not_published", result=result, reason=str(error))

    def rebalanced(self) -> None:
        self._metrics.rebalanced()
        self._assigned = None

    def redone(self, records: int) -> None:
        self._metrics.redone(records)
        if records:
            log.info("wave.redone", records=records)

    def turned(self, *, source: Source, oldest_s: float, working: bool) -> None:
        now = self._clock.monotonic()
        if not working:
            self._health.progress(now)
        if now < self._look_at:
            return
        self._look_at = now + LOOK_EVERY_S
        self._metrics.oldest_unprocessed(oldest_s)
        self._metrics.lag(source.lag())
        self._ready(source, now)
        assigned = len(source.assignment())
        self._metrics.assigned(assigned)
        if assigned != self._assigned:
            self._assigned = assigned
            log.info("group.assigned", partitions=assigned)

    def _ready(self, source: Source, now: float) -> None:
        """Ready from the first place in the group on; a rebalance, or brokers that are away for a moment, are calm."""
        if source.joined():
            self._joined_at = now
            self._health.ready(ready=True)
        elif now - self._joined_at >= LOST_AFTER_S:
            never = self._joined_at == float("-inf")
            self._health.ready(ready=False, why=f"not in the consumer group {'yet' if never else 'any more'}")


def _trace(published: Published, report: WaveReport) -> None:
    trace = published.processed.trace
    trace.reached("closed", published.closed_at)
    trace.reached("publishing", published.began_at)
    counts = {f"records.{outcome}": count for outcome, count in report.outcomes.items()}
    trace.published(published.ended_at, {**counts, "tokens": report.tokens, "close_reason": report.close_reason})


def report_of(published: Published, *, now: float) -> WaveReport:
    """What one published wave did, in counts and seconds. `now`: seconds since the epoch, when it was published."""
    processed = published.processed
    items = processed.wave.items
    work_s = {
        WaveStage.TOKENIZE: sum(item.encode_s for item in items),
        WaveStage.INFER: processed.infer_s,
        WaveStage.DECIDE: processed.decide_s,
        WaveStage.PUBLISH: published.ended_at - published.began_at,
    }
    wait_s = published.ended_at - items[0].gathered_at - sum(work_s.values())
    timestamps = np.array([item.record.timestamp_ms for item in items if item.record.timestamp_ms >= 0])
    return WaveReport(
        messages=len(items),
        tokens=processed.wave.tokens,
        close_reason=processed.wave.reason,
        outcomes=processed.tally.outcomes,
        labels=processed.tally.labels,
        reasons=processed.tally.reasons,
        dead_reasons=processed.tally.dead,
        stage_s={WaveStage.WAIT: max(0.0, wait_s), **work_s},
        stats=processed.stats,
        delays_s=np.maximum(0.0, now - timestamps / 1000.0),
    )
