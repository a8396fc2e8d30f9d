"""Rules with one answer for each text: the most likely label, and the checks against it."""

from __future__ import annotations

import numpy as np

from schemas.review import Reason
from schemas.rules import ArgmaxRule, DoubtLabel, TopLabelRule
from worker.decision.confidence import SINGLE_SCORES, Confidence, margin, of_energy
from worker.decision.reasons import mark, no_marks
from worker.decision.rules import Energy, Scores, Verdicts


class MostLikely:
    """The most likely label; ties go to the one that comes first in the model's order.

    Checks say what must hold, not what must not: a score that is no number is never accepted.
    """

    def __init__(self, labels: tuple[str, ...], rule: ArgmaxRule | TopLabelRule) -> None:
        own = rule.thresholds or {}
        self.threshold = None if own else rule.min_confidence
        self._answers = [(label,) for label in labels]
        self._thresholds = np.array([own.get(label, rule.min_confidence) for label in labels])
        self._watched = np.isin(labels, rule.watched_labels or ())
        self._score = rule.score or "max_probability"
        self._min_margin = rule.min_margin if isinstance(rule, ArgmaxRule) else None
        self._doubt = rule.doubt_label if isinstance(rule, ArgmaxRule) else None

    def judge(self, scores: Scores, energy: Energy | None = None) -> Verdicts:
        marks = no_marks(len(scores))
        if len(scores) == 0:
            return Verdicts((), np.empty(0), marks)
        best = scores.argmax(axis=1)
        confidence = self._confidence(scores, energy)
        mark(marks, ~(confidence >= self._thresholds[best].astype(confidence.dtype)), Reason.LOW_CONFIDENCE)
        if self._min_margin is not None:
            mark(marks, ~(margin(scores) >= self._min_margin), Reason.SMALL_MARGIN)
        mark(marks, self._watched[best], Reason.WATCHED_LABEL)
        verdicts = Verdicts([self._answers[index] for index in best.tolist()], confidence, marks)
        return verdicts if self._doubt is None else _with_doubt(verdicts, scores, self._doubt)

    def _confidence(self, scores: Scores, energy: Energy | None) -> Confidence:
        if self._score != "energy":
            return SINGLE_SCORES[self._score](scores)
        return np.full(len(scores), np.nan) if energy is None else of_energy(energy)


def _with_doubt(verdicts: Verdicts, scores: Scores, doubt: DoubtLabel) -> Verdicts:
    """The texts between two labels answered with the label of doubt, and accepted."""
    doubtful = margin(scores) < doubt.margin
    answers = [
        (doubt.label,) if instead else answer
        for answer, instead in zip(verdicts.answers, doubtful.tolist(), strict=True)
    ]
    return Verdicts(answers, verdicts.confidence, np.where(doubtful, no_marks(1), verdicts.marks))
