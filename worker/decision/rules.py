"""What every decision rule offers: answers for a whole wave, in columns, with marks against those it doubts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from worker.decision.confidence import Confidence
from worker.decision.evidence import Energy as Energy
from worker.decision.evidence import Scores as Scores
from worker.decision.reasons import Marks, reasons_of
from worker.records import Decision, Outcome


@dataclass(frozen=True, slots=True)
class Verdicts:
    """A wave's decisions in columns: `answers` (the labels of each text), `confidence` and `marks`, all [texts]."""

    answers: Sequence[tuple[str, ...]]
    confidence: Confidence
    marks: Marks

    def decisions(self, *, guarantee_stands: bool = True) -> list[Decision]:
        """One decision for each text: accepted where there is no mark. A confidence that is no number counts as 0."""
        certain = np.clip(np.nan_to_num(self.confidence), 0.0, 1.0).tolist()
        return [
            Decision(
                Outcome.ABSTAINED if marks else Outcome.ACCEPTED,
                answer,
                confidence,
                reasons_of(marks),
                None,
                guarantee_stands,
            )
            for answer, confidence, marks in zip(self.answers, certain, self.marks.tolist(), strict=True)
        ]


class Rule(Protocol):
    """Turns scores into verdicts. Stateless: the same scores always give the same verdicts."""

    @property
    def threshold(self) -> float | None:
        """The one confidence below which the rule abstains, if it has just one: stated in events."""
        ...

    def judge(self, scores: Scores, energy: Energy | None = None) -> Verdicts:
        """A verdict for each row of calibrated probabilities [texts, labels]; there may be no rows.

        `energy` [texts]: log-sum-exp of the logits. Where a rule goes by it and it is not known, nothing is accepted.
        """
        ...
