"""Calibrated scores: scaling of probabilities, applied to scores that are softmax or sigmoid already.

One temperature (Guo et al. 2017) for all labels, then, for multi-label models, a slope and a shift for each label's
logit (Platt 1999); labels may be summed up to groups. How the numbers are fitted is worker.learning's business.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from worker.decision.evidence import Scores
from worker.records import Task

SMALLEST = np.finfo(np.float32).tiny
LARGEST_LOGIT = 700.0


@dataclass(frozen=True)
class Calibration:
    """`slopes` and `shifts` [labels] or None; a temperature of 1 without them leaves scores as they are."""

    task: Task
    temperature: float = 1.0
    slopes: NDArray[np.float64] | None = None
    shifts: NDArray[np.float64] | None = None

    @property
    def changes(self) -> bool:
        return self.temperature != 1.0 or self.slopes is not None

    def apply(self, scores: Scores) -> Scores:
        """Calibrated probabilities of the same shape [texts, labels] and type."""
        if self.slopes is None or self.shifts is None:
            return tempered(scores, self.temperature, self.task)
        return _sigmoid(_logits(scores) / self.temperature * self.slopes + self.shifts, scores.dtype)


def tempered(scores: Scores, temperature: float, task: Task) -> Scores:
    """Probabilities [texts, labels] as if their logits had been divided by `temperature`."""
    if temperature == 1.0:
        return scores
    if task is Task.MULTI_LABEL:
        return _sigmoid(_logits(scores) / temperature, scores.dtype)
    logits = np.log(np.clip(scores.astype(np.float64), SMALLEST, 1.0)) / temperature
    exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(exponentials / exponentials.sum(axis=1, keepdims=True), dtype=scores.dtype)


def grouped(scores: Scores, members: Sequence[NDArray[np.intp]], task: Task) -> Scores:
    """Scores [texts, groups]: the sum of each group's labels, or (multi-label) that any of them is true.

    Multi-label takes labels as independent: 1 minus the product of what each lacks.
    """
    if task is Task.MULTI_LABEL:
        columns = [1.0 - (1.0 - scores[:, group]).prod(axis=1) for group in members]
    else:
        columns = [np.minimum(scores[:, group].sum(axis=1), 1.0) for group in members]
    return np.stack(columns, axis=1).astype(scores.dtype)


def _logits(scores: Scores) -> NDArray[np.float64]:
    wide = np.clip(scores.astype(np.float64), SMALLEST, 1.0)
    return np.asarray(np.log(wide) - np.log1p(-np.minimum(wide, 1.0 - 1e-12)))


def _sigmoid(logits: NDArray[np.float64], dtype: np.dtype[np.floating]) -> Scores:
    return np.asarray(1.0 / (1.0 + np.exp(-np.clip(logits, -LARGEST_LOGIT, LARGEST_LOGIT))), dtype=dtype)
