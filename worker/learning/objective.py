"""The loss that is minimised, and the exact way back from its class weights to honest probabilities.

Weighting class c by w multiplies its odds by w at the optimum, so `log w` is subtracted from its logit afterwards
(Elkan 2001, "The foundations of cost-sensitive learning"); `correction` is that vector.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import Tensor


def class_weights(targets: NDArray[np.float32], *, power: float, multi_label: bool) -> NDArray[np.float32]:
    """Weights [labels]: (negatives / positives)^power for multi-label, (mean count / count)^power for single-label.

    Power 0 weighs nothing, 1 balances fully. A label without texts counts as one.
    """
    positives = np.maximum(targets.sum(axis=0), 1.0)
    others = np.maximum(len(targets) - positives, 1.0) if multi_label else positives.mean()
    ratio = others / positives
    return np.asarray(ratio**power, dtype=np.float32)


def correction(weights: NDArray[np.float32]) -> NDArray[np.float32]:
    """What to subtract from each logit so that probabilities mean frequencies again."""
    return np.log(weights)


def prior_bias(targets: NDArray[np.float32], weights: NDArray[np.float32], *, multi_label: bool) -> NDArray[np.float32]:
    """Logits [labels] of the label frequencies as the weighted loss sees them: where a new head starts."""
    frequency = np.clip(targets.mean(axis=0), 1e-4, 1 - 1e-4)
    odds = frequency / (1 - frequency) if multi_label else frequency
    return np.asarray(np.log(odds * weights), dtype=np.float32)


def weighted_loss(logits: Tensor, targets: Tensor, weights: Tensor, *, multi_label: bool, smoothing: float) -> Tensor:
    """Mean loss over a batch; `targets` may be soft. Smoothing moves that share of the target to the other answers."""
    from torch.nn import functional

    if multi_label:
        smooth = targets * (1 - smoothing) + smoothing / 2
        return functional.binary_cross_entropy_with_logits(logits, smooth, pos_weight=weights)
    smooth = targets * (1 - smoothing) + smoothing / targets.shape[1]
    weighted = smooth * weights
    return -(weighted * functional.log_softmax(logits, dim=1)).sum() / weighted.sum()
