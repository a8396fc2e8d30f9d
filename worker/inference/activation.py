"""Logits to probabilities, as the checkpoint's task says; float32, stable at the extremes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from worker.records import Task

Scores = NDArray[np.float32]


def softmax(logits: Scores) -> Scores:
    """Probabilities over the last axis; shifted by the row's maximum, so that no finite logits overflow."""
    weights = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return np.asarray(weights / weights.sum(axis=-1, keepdims=True), dtype=np.float32)


def energies(logits: NDArray[np.floating]) -> NDArray[np.float64]:
    """The log-sum-exp of each row [texts]; shifted by the row's maximum, so that no finite logits overflow."""
    wide = logits.astype(np.float64)
    highest = wide.max(axis=-1)
    return np.asarray(highest + np.log(np.exp(wide - highest[..., None]).sum(axis=-1)))


def sigmoid(logits: Scores) -> Scores:
    """One probability for each logit; the exponent is never positive, so that no finite logit overflows."""
    decay = np.exp(-np.abs(logits))
    return np.asarray(np.where(logits >= 0, 1.0, decay) / (1.0 + decay), dtype=np.float32)


def activate(logits: NDArray[np.floating], task: Task) -> Scores:
    """Scores float32 [texts, labels] for finite logits of the same shape."""
    values = logits.astype(np.float32, copy=False)
    return softmax(values) if task is Task.SINGLE_LABEL else sigmoid(values)
