"""Rules for models whose labels stand each for itself (sigmoid)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from schemas.review import Reason
from worker.decision.rules import Scores
from worker.records import Decision, Outcome


@dataclass(frozen=True)
class PerLabelThresholds:
    """Every label whose probability reaches its own threshold, most likely first.

    The confidence is the highest probability of all labels. Abstains with `no_label` when no label reaches its
    threshold, and with `low_confidence` when one does but the confidence is under `min_confidence`.
    """

    labels: tuple[str, ...]
    thresholds: tuple[float, ...]
    min_confidence: float = 0.0

    @property
    def threshold(self) -> float | None:
        """The threshold that all labels share, if they do."""
        return self.thresholds[0] if len(set(self.thresholds)) == 1 else None

    def decide(self, scores: Scores) -> list[Decision]:
        if len(scores) == 0:
            return []
        reached = scores >= np.asarray(self.thresholds, dtype=scores.dtype)
        order = np.argsort(-scores, axis=1, kind="stable")
        confidences = scores.max(axis=1).astype(float).tolist()
        return [
            self._decision(
                labels=tuple(self.labels[index] for index in row_order if row_reached[index]), confidence=confidence
            )
            for row_reached, row_order, confidence in zip(reached.tolist(), order.tolist(), confidences, strict=True)
        ]

    def _decision(self, *, labels: tuple[str, ...], confidence: float) -> Decision:
        if not labels:
            return Decision(Outcome.ABSTAINED, labels, confidence, (Reason.NO_LABEL,))
        if confidence < self.min_confidence:
            return Decision(Outcome.ABSTAINED, labels, confidence, (Reason.LOW_CONFIDENCE,))
        return Decision(Outcome.ACCEPTED, labels, confidence)
