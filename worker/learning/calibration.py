"""Fits what `worker.decision.calibration` applies, and measures what it is good for.

Works on probabilities, so that the output of `classify` is enough. Scores float64 and truth bool are [n, labels].
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit, logit

from worker.decision.calibration import Calibration
from worker.decision.confidence import SINGLE_SCORES
from worker.learning.metrics import aurc
from worker.learning.temperature import fit_temperature
from worker.records import Task

Numbers = NDArray[np.float64]
Flags = NDArray[np.bool_]

BINS = 15
SMALLEST = 1e-12
PRIOR_TEXTS = 4.0
"""How many texts' worth of doubt holds a label's scaling near none at all: rare labels have little to say."""


@dataclass(frozen=True)
class CalibrationQuality:
    """`ece`: expected calibration error over bins of equal mass, of the top score (multi-label: of all scores);
    `classwise_ece`: the mean over labels; `brier` and `nll`: means over texts (multi-label: over texts and labels)."""

    ece: float
    classwise_ece: float
    brier: float
    nll: float


def fit_single(scores: Numbers, truth: Flags) -> Calibration:
    """Temperature scaling by maximum likelihood (Guo et al. 2017); none without texts."""
    if not len(scores):
        return Calibration(Task.SINGLE_LABEL)
    logs = np.log(np.clip(scores, SMALLEST, 1.0))
    return Calibration(Task.SINGLE_LABEL, fit_temperature(logs, truth.astype(np.float64), multi_label=False))


def fit_multi(scores: Numbers, truth: Flags, *, shifts: bool = True) -> Calibration:
    """A slope and (with `shifts`) a shift for each label: Platt scaling, or a temperature for each label."""
    logits = logit(np.clip(scores, SMALLEST, 1.0 - SMALLEST))
    fitted = [_fit_label(logits[:, label], truth[:, label], shifts=shifts) for label in range(scores.shape[1])]
    return Calibration(
        Task.MULTI_LABEL,
        slopes=np.array([slope for slope, _ in fitted]),
        shifts=np.array([shift for _, shift in fitted]),
    )


def _fit_label(logits: Numbers, truth: Flags, *, shifts: bool) -> tuple[float, float]:
    """Maximum a posteriori of (slope, shift), around (1, 0); a label that never occurs, or always, is left alone."""
    if truth.all() or not truth.any():
        return 1.0, 0.0

    def objective(values: Numbers) -> tuple[float, Numbers]:
        slope, shift = np.exp(values[0]), values[1] if shifts else 0.0
        scaled = slope * logits + shift
        error = expit(scaled) - truth
        value = (np.logaddexp(0.0, scaled) - truth * scaled).sum() + PRIOR_TEXTS * (values[0] ** 2 + shift**2) / 2
        gradient = [(error * logits).sum() * slope + PRIOR_TEXTS * values[0], error.sum() + PRIOR_TEXTS * shift]
        return float(value), np.array([gradient[0], gradient[1] if shifts else 0.0])

    bounds = [(np.log(0.05), np.log(20.0)), (-20.0, 20.0)]
    found = minimize(objective, np.zeros(2), jac=True, method="L-BFGS-B", bounds=bounds).x
    return float(np.exp(found[0])), float(found[1]) if shifts else 0.0


def best_score(scores: Numbers, truth: Flags) -> tuple[str, Mapping[str, float]]:
    """The confidence score with the smallest area under the risk-coverage curve, and that of each; a tie goes to the
    maximum probability."""
    wrong = 1.0 - truth[np.arange(len(truth)), scores.argmax(axis=1)]
    areas = {name: aurc(confidence(scores), wrong) for name, confidence in SINGLE_SCORES.items()}
    return min(areas, key=lambda name: areas[name]), areas


def quality(scores: Numbers, truth: Flags, task: Task) -> CalibrationQuality:
    """How honest the scores are; at least one text."""
    clipped = np.clip(scores, SMALLEST, 1.0 - SMALLEST)
    per_label = [equal_mass_error(scores[:, label], truth[:, label]) for label in range(scores.shape[1])]
    squares = (scores - truth) ** 2
    if task is Task.MULTI_LABEL:
        losses = -np.where(truth, np.log(clipped), np.log1p(-clipped))
        ece = equal_mass_error(scores.ravel(), truth.ravel())
        return CalibrationQuality(ece, float(np.mean(per_label)), float(squares.mean()), float(losses.mean()))
    right = truth[np.arange(len(truth)), scores.argmax(axis=1)]
    nll = float(-np.log(clipped[truth]).mean())
    ece = equal_mass_error(scores.max(axis=1), right)
    return CalibrationQuality(ece, float(np.mean(per_label)), float(squares.sum(axis=1).mean()), nll)


def equal_mass_error(stated: Numbers, happened: Flags, *, bins: int = BINS) -> float:
    """Mean distance between stated probability and frequency over bins of equally many predictions (Nixon et al.
    2019)."""
    order = np.argsort(stated, kind="stable")
    parts = [part for part in np.array_split(order, bins) if len(part)]
    gaps = [len(part) * abs(stated[part].mean() - happened[part].mean()) for part in parts]
    return float(sum(gaps) / len(stated))
