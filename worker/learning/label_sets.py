"""Thresholds for sets of labels (multi-label). Scores float64 and truth bool are [n, labels] throughout.

The statistics are `worker.learning.guarantees`'; F1 thresholds are `worker.learning.thresholds`'.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from worker.learning.guarantees import (
    Candidates,
    Numbers,
    Promise,
    Selected,
    for_all,
    p_values,
    risk_bound,
    start_of_sequence,
)
from worker.learning.label_losses import LOSSES as LOSSES
from worker.learning.label_losses import Flags as Flags
from worker.learning.label_losses import exact_match_error as exact_match_error
from worker.learning.label_losses import grouped_truth as grouped_truth
from worker.learning.label_losses import wrong_emitted as wrong_emitted

STEPS = 200
"""Common thresholds that are tried, at even steps of coverage."""


def common_threshold(
    scores: Numbers, truth: Flags, promise: Promise, *, loss: Callable[[Flags, Flags], Numbers] = wrong_emitted
) -> Selected | None:
    """One threshold for all labels at which the mean loss of the texts that get a label is at most R with probability
    C (learn then test, from the highest threshold down). None when the first is not proven."""
    highest = np.sort(scores.max(axis=1, initial=0.0))[::-1]
    first, binary = start_of_sequence(len(highest), promise), loss is exact_match_error
    proven: tuple[float, int, float] | None = None
    for accepted in np.unique(np.linspace(first, len(highest), STEPS).astype(int)) if first <= len(highest) else ():
        emitted = scores >= highest[accepted - 1]
        given = emitted.any(axis=1)
        total, count = float(loss(emitted[given], truth[given]).sum()), int(given.sum())
        if p_values(np.array([total]), np.array([count]), promise.target_risk, binary=binary)[0] > promise.delta:
            break
        proven = float(highest[accepted - 1]), count, total
    if proven is None:
        return None
    threshold, count, total = proven
    bound = risk_bound(total, count, delta=promise.delta, binary=binary)
    return Selected(threshold, count, len(highest), total / count, bound)


def common_candidates(scores: Numbers, truth: Flags, *, loss: Callable[[Flags, Flags], Numbers]) -> Candidates:
    """The common thresholds at even steps of coverage, strictest first, for advice on what a promise would take."""
    highest = np.sort(scores.max(axis=1, initial=0.0))[::-1]
    levels = np.unique(highest[np.unique(np.linspace(0, len(highest) - 1, STEPS).astype(int))])[::-1]
    given = [scores >= level for level in levels]
    return Candidates(
        threshold=levels,
        accepted=np.array([int(emitted.any(axis=1).sum()) for emitted in given], dtype=np.int64),
        loss=np.array([float(loss(emitted, truth)[emitted.any(axis=1)].sum()) for emitted in given]),
        size=len(scores),
        binary=loss is exact_match_error,
    )


def precision_thresholds(scores: Numbers, truth: Flags, promise: Promise) -> list[Selected | None]:
    """For each label the threshold from which the share of wrong ones is at most R, for all labels at once with
    probability C; None for labels whose data cannot prove it."""
    return for_all(
        [(scores[:, label], (~truth[:, label]).astype(np.float64)) for label in range(scores.shape[1])], promise
    )


def conformal_false_negatives(scores: Numbers, truth: Flags, target: float) -> float | None:
    """The highest common threshold at which the share of a text's true labels that are missed is at most `target` on
    average over texts and calibration sets (conformal risk control, Angelopoulos et al. 2022). None when no threshold
    can promise it: fewer than 1 / target - 1 texts.
    """
    allowed = target * (len(scores) + 1) - 1.0
    if allowed < 0.0:
        return None
    share = (truth / np.maximum(truth.sum(axis=1, keepdims=True), 1))[truth]
    order = np.argsort(scores[truth], kind="stable")
    last = int(np.searchsorted(np.cumsum(share[order]), allowed, side="right"))
    return float(scores[truth][order][last]) if last < len(order) else 1.0
