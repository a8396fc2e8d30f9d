"""Temperature scaling (Guo et al. 2017): one number, fitted on held-out texts, that makes probabilities honest.

Works on logits in numpy; folding the temperature into a head is `worker.learning.head`'s.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

LOWEST, HIGHEST = 0.05, 20.0


def log_loss(logits: NDArray[np.float64], targets: NDArray[np.float64], *, multi_label: bool) -> float:
    """Mean negative log-likelihood of `targets` [n, labels] under softmax or, for multi-label, under sigmoid."""
    if multi_label:
        return float(np.mean(np.logaddexp(0.0, logits) - targets * logits))
    shifted = logits - logits.max(axis=1, keepdims=True)
    log_normaliser = np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return float(-np.sum(targets * (shifted - log_normaliser)) / len(logits))


def fit_temperature(logits: NDArray[np.floating], targets: NDArray[np.floating], *, multi_label: bool) -> float:
    """The T in [0.05, 20] for which `logits / T` has the smallest log-loss.

    The loss is convex in 1/T, so golden-section search finds it; the result is good to five digits.
    """
    wide, wanted = np.asarray(logits, dtype=np.float64), np.asarray(targets, dtype=np.float64)

    def loss(inverse: float) -> float:
        return log_loss(wide * inverse, wanted, multi_label=multi_label)

    golden = (np.sqrt(5.0) - 1) / 2
    low, high = 1 / HIGHEST, 1 / LOWEST
    while high - low > 1e-5 * high:
        width = golden * (high - low)
        if loss(high - width) < loss(low + width):
            high = low + width
        else:
            low = high - width
    return float(2 / (low + high))


def probabilities(logits: NDArray[np.float64], *, multi_label: bool) -> NDArray[np.float64]:
    """Sigmoid or softmax of [n, labels], stable for large logits."""
    if multi_label:
        return np.exp(-np.logaddexp(0.0, -logits))
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))
