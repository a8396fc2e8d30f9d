"""The reference of a policy's drift check: what confidences are usual, and how well that is known."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaincinv

from schemas.policy import DriftBin, DriftCheck

BINS = 10


def drift_check(
    confidence: NDArray[np.float64],
    *,
    false_alarms_per_day: float = 0.01,
    void_guarantee: bool = False,
    bins: int = BINS,
) -> DriftCheck:
    """The check for traffic like the texts whose confidence this is [n]; labels are not needed, and more texts let it
    see finer changes.

    The intervals of all bins hold together with probability 1 - false_alarms_per_day / 2 (Clopper-Pearson).
    """
    inner = np.quantile(confidence, np.arange(1, bins) / bins) if len(confidence) else np.empty(0)
    edges = np.unique(np.clip(np.round(inner, 6), 0.0, 1.0))
    edges = edges[(edges > 0.0) & (edges < 1.0)]
    place = np.searchsorted(edges, confidence, side="right")
    counts, size = np.bincount(place, minlength=len(edges) + 1), len(confidence)
    error = false_alarms_per_day / 2 / len(counts) / 2
    least = np.where(counts > 0, betaincinv(np.maximum(counts, 1), size - counts + 1, error), 0.0)
    most = np.where(counts < size, betaincinv(counts + 1, np.maximum(size - counts, 1), 1.0 - error), 1.0)
    return DriftCheck(
        bins=tuple(
            DriftBin(confidence_below=edge, share=share, least=low, most=high)
            for edge, share, low, high in zip(
                [*edges.tolist(), 1.0], (counts / max(1, size)).tolist(), least.tolist(), most.tolist(), strict=True
            )
        ),
        false_alarms_per_day=false_alarms_per_day,
        void_guarantee=void_guarantee,
    )
