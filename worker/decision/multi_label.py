"""Rules for models whose labels stand each for itself (sigmoid)."""

from __future__ import annotations

import numpy as np

from schemas.review import Reason
from schemas.rules import PerLabelThresholdsRule
from worker.decision.confidence import ITEM_SCORES
from worker.decision.evidence import Flags
from worker.decision.reasons import mark, no_marks
from worker.decision.rules import Energy, Scores, Verdicts

NEVER = 2.0
"""The threshold of a label that is never given: no probability reaches it."""


class PerLabelThresholds:
    """Every label whose probability reaches its own threshold, most likely first.

    With a lower threshold a label has three zones: on, unsure, off; an unsure one abstains.
    """

    def __init__(self, labels: tuple[str, ...], rule: PerLabelThresholdsRule) -> None:
        on = [NEVER if (threshold := rule.thresholds[label]) is None else threshold for label in labels]
        off = rule.off_below or {}
        self.threshold = on[0] if len(set(on)) == 1 and on[0] <= 1.0 else None
        self._labels = labels
        self._alone = [(label,) for label in labels]
        self._on = np.array(on)
        self._off = np.array([off.get(label, NEVER) for label in labels]) if off else None
        self._exclusive = np.isin(labels, rule.exclusive_labels or ())
        self._watched = np.isin(labels, rule.watched_labels or ())
        self._max_labels = rule.max_labels or len(labels)
        self._min_confidence = rule.min_confidence or 0.0
        self._confidence = ITEM_SCORES[rule.score or "max_probability"]

    def judge(self, scores: Scores, energy: Energy | None = None) -> Verdicts:  # noqa: ARG002 (the protocol's signature)
        marks = no_marks(len(scores))
        if len(scores) == 0:
            return Verdicts((), np.empty(0), marks)
        emitted = scores >= self._on.astype(scores.dtype)
        count = np.asarray(emitted.sum(axis=1))
        confidence = self._confidence(scores, emitted)
        mark(marks, count == 0, Reason.NO_LABEL)
        mark(marks, (count > 0) & ~(confidence >= self._min_confidence), Reason.LOW_CONFIDENCE)
        if self._off is not None:
            unsure = (scores >= self._off.astype(scores.dtype)) & ~emitted
            mark(marks, _any_label(unsure), Reason.UNCERTAIN_LABEL)
        mark(marks, count > self._max_labels, Reason.TOO_MANY_LABELS)
        if self._exclusive.any():
            mark(marks, (count > 1) & _any_label(emitted[:, self._exclusive]), Reason.CONTRADICTION)
        if self._watched.any():
            mark(marks, _any_label(emitted[:, self._watched]), Reason.WATCHED_LABEL)
        return Verdicts(self._answers(scores, emitted, count), confidence, marks)

    def _answers(self, scores: Scores, emitted: Flags, count: np.ndarray) -> list[tuple[str, ...]]:
        """The emitted labels of each text; sorted only where there are several."""
        first = emitted.argmax(axis=1).tolist()
        some = (count > 0).tolist()
        answers = [self._alone[index] if known else () for index, known in zip(first, some, strict=True)]
        several = np.flatnonzero(count > 1)
        if len(several):
            counts = count[several]
            ranked = np.argsort(np.where(emitted[several], -scores[several], np.inf), axis=1, kind="stable")
            rows = zip(several.tolist(), ranked[:, : counts.max()].tolist(), counts.tolist(), strict=True)
            for row, order, given in rows:
                answers[row] = tuple([self._labels[index] for index in order[:given]])
        return answers


def _any_label(flags: Flags) -> Flags:
    """Whether a text has any of the labels, for flags [texts, labels]."""
    return np.asarray(flags.any(axis=1))
