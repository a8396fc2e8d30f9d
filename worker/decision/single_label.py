"""Rules for models whose labels exclude each other (softmax)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from schemas.review import Reason
from worker.decision.rules import Scores
from worker.records import Decision, Outcome


@dataclass(frozen=True)
class MostLikely:
    """The most likely label; abstains with `low_confidence` when its probability is under `threshold`.

    Ties go to the label that comes first in the model's order.
    """

    labels: tuple[str, ...]
    threshold: float

    def decide(self, scores: Scores) -> list[Decision]:
        if len(scores) == 0:
            return []
        best = np.argmax(scores, axis=1)
        confidences = scores[np.arange(len(scores)), best].astype(float)
        return [
            self._decision(label=self.labels[index], confidence=confidence)
            for index, confidence in zip(best.tolist(), confidences.tolist(), strict=True)
        ]

    def _decision(self, *, label: str, confidence: float) -> Decision:
        if confidence < self.threshold:
            return Decision(Outcome.ABSTAINED, (label,), confidence, (Reason.LOW_CONFIDENCE,))
        return Decision(Outcome.ACCEPTED, (label,), confidence)
