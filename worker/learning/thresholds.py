"""Per-label thresholds for multi-label models: the probability from which a label is emitted.

Chosen for F1 on held-out texts; a rule without a guarantee (see the decision docs for those that have one).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

SHRINKAGE = 16.0
"""Pseudo-texts that pull a label's curve towards the curve of all labels: seven GoEmotions labels have fewer than
30 positives in half of dev, too few for a threshold of their own."""


def f1_thresholds(
    probabilities: NDArray[np.floating], targets: NDArray[np.floating], *, shrinkage: float = SHRINKAGE
) -> NDArray[np.float64]:
    """Thresholds [labels] with the best smoothed F1 on a grid of 0.02 to 0.90.

    F1 is 2 TP / (predicted + positive). Each label's value is averaged with the mean over all labels at the same
    threshold, weighted by its positives against `shrinkage`, so rare labels do not chase single texts.
    """
    grid = np.arange(0.02, 0.905, 0.01)
    scores = np.stack([_f1_at(probabilities, targets, threshold) for threshold in grid])
    positives = targets.sum(axis=0)
    own = positives / (positives + shrinkage)
    blended = own * scores + (1 - own) * scores.mean(axis=1, keepdims=True)
    width = 3
    kernel = np.ones(width) / width
    smoothed = np.stack([np.convolve(np.pad(column, 1, mode="edge"), kernel, "valid") for column in blended.T])
    return np.array([_middle_of_best(grid, curve) for curve in smoothed]).round(2)


def _middle_of_best(grid: NDArray[np.float64], curve: NDArray[np.float64]) -> float:
    """Where many thresholds are equally good, the middle one is the safest for texts not seen."""
    best = np.flatnonzero(curve >= curve.max() - 1e-9)
    return float(grid[best[len(best) // 2]])


def _f1_at(probabilities: NDArray[np.floating], targets: NDArray[np.floating], threshold: float) -> NDArray[np.float64]:
    predicted = probabilities >= threshold
    hits = (predicted * targets).sum(axis=0)
    return np.asarray(2 * hits / np.maximum(predicted.sum(axis=0) + targets.sum(axis=0), 1.0), dtype=np.float64)
