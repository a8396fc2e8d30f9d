"""Temperature scaling of probabilities (Guo et al., 2017), applied to scores that are softmax or sigmoid already."""

from __future__ import annotations

import numpy as np

from worker.decision.rules import Scores
from worker.records import Task

SMALLEST = np.finfo(np.float32).tiny


def tempered(scores: Scores, temperature: float, task: Task) -> Scores:
    """Probabilities [texts, labels] as if their logits had been divided by `temperature`."""
    if temperature == 1.0:
        return scores
    wide = np.clip(scores.astype(np.float64), SMALLEST, 1.0)
    if task is Task.MULTI_LABEL:
        logits = (np.log(wide) - np.log1p(-np.minimum(wide, 1.0 - 1e-12))) / temperature
        return np.asarray(1.0 / (1.0 + np.exp(-logits)), dtype=scores.dtype)
    logits = np.log(wide) / temperature
    exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(exponentials / exponentials.sum(axis=1, keepdims=True), dtype=scores.dtype)
