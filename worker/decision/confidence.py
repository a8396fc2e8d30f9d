"""How sure a decision is: named scores in [0, 1], of which a policy chooses one for its thresholds.

All but the energy are made of calibrated probabilities. The energy needs what softmax takes out of the logits.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

from worker.decision.evidence import Energy, Flags, Scores

Confidence = NDArray[np.float64]


def max_probability(scores: Scores) -> Confidence:
    """The probability of the most likely label, for scores [texts, labels]."""
    return np.asarray(scores.max(axis=1), dtype=np.float64)


def margin(scores: Scores) -> Confidence:
    """How far the most likely label is ahead of the second; 1 when there is only one label."""
    if scores.shape[1] == 1:
        return np.where(np.isnan(scores[:, 0]), np.nan, 1.0)
    best = np.partition(scores, -2, axis=1)[:, -2:].astype(np.float64)
    return np.asarray(best[:, 1] - best[:, 0])


def entropy(scores: Scores) -> Confidence:
    """1 minus the entropy over its maximum: 1 when one label has everything, 0 when all have the same."""
    wide = scores.astype(np.float64)
    if scores.shape[1] == 1:
        return margin(scores)
    nats = -(wide * np.log(np.where(wide > 0, wide, 1.0))).sum(axis=1)
    return np.asarray(np.clip(1.0 - nats / np.log(scores.shape[1]), 0.0, 1.0))


def of_energy(log_sums: Energy) -> Confidence:
    """The log-sum-exp E [texts] of the logits (Liu et al. 2020: minus the free energy, at temperature 1).

    Told as (1 + E / (1 + |E|)) / 2: in [0, 1] and in the same order, which is all that thresholds and promises use.
    """
    wide = log_sums.astype(np.float64)
    return np.asarray((1.0 + wide / (1.0 + np.abs(wide))) / 2.0)


def mean_emitted(scores: Scores, emitted: Flags) -> Confidence:
    """Multi-label: the mean score of the emitted labels; 0 without any."""
    count = emitted.sum(axis=1)
    return np.asarray((scores * emitted).sum(axis=1, dtype=np.float64) / np.maximum(count, 1))


def set_probability(scores: Scores, emitted: Flags) -> Confidence:
    """Multi-label: the probability that the emitted labels are exactly the true ones, were labels independent."""
    return np.asarray(np.where(emitted, scores, 1.0 - scores).prod(axis=1, dtype=np.float64))


SINGLE_SCORES: Final[Mapping[str, Callable[[Scores], Confidence]]] = {
    "max_probability": max_probability,
    "margin": margin,
    "entropy": entropy,
}
ITEM_SCORES: Final[Mapping[str, Callable[[Scores, Flags], Confidence]]] = {
    "max_probability": lambda scores, _: max_probability(scores),
    "mean_emitted": mean_emitted,
    "set_probability": set_probability,
}
