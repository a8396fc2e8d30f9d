"""Measures of a classifier that may abstain, from scores and truth; numpy alone, so the core install can evaluate.

Owns the definitions; where scores come from is `worker.learning.evaluate`'s. n texts, L labels throughout.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from worker.learning.selective import areas
from worker.learning.selective import augrc as augrc
from worker.learning.selective import aurc as aurc
from worker.learning.selective import risk_coverage as risk_coverage

CALIBRATION_BINS = 15

Flags = NDArray[np.bool_]
Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class Judged:
    """Decisions beside the truth: `scores` float64 [n, L], `truth` and `emitted` bool [n, L], `accepted` bool [n].

    A single-label model that emitted nothing answers with its most likely label. `certainty` float64 [n] is the
    confidence that decided, where that is not the highest score. `dead`: how many more could not
    be classified.
    """

    label_names: tuple[str, ...]
    multi_label: bool
    scores: Numbers
    truth: Flags
    emitted: Flags
    accepted: Flags
    certainty: Numbers | None = None
    dead: int = 0

    def take(self, rows: NDArray[np.intp] | Flags) -> Judged:
        """Only these texts."""
        return Judged(
            self.label_names,
            self.multi_label,
            scores=self.scores[rows],
            truth=self.truth[rows],
            emitted=self.emitted[rows],
            accepted=self.accepted[rows],
            certainty=None if self.certainty is None else self.certainty[rows],
        )

    def kept(self) -> Judged:
        """Only the accepted texts; there may be none."""
        return self.take(self.accepted)

    @cached_property
    def answers(self) -> Flags:
        """The labels each text was given, bool [n, L]."""
        if self.multi_label:
            return self.emitted
        result = np.zeros_like(self.truth)
        result[np.arange(len(result)), self.scores.argmax(axis=1)] = True
        return np.where(self.emitted.any(axis=1, keepdims=True), self.emitted, result)

    @cached_property
    def confidence(self) -> Numbers:
        """The highest score of each text [n]."""
        return np.asarray(self.scores.max(axis=1))

    @cached_property
    def ranking(self) -> Numbers:
        """What texts are ranked by, from sure to unsure [n]."""
        return self.confidence if self.certainty is None else self.certainty

    @cached_property
    def top_wrong(self) -> Numbers:
        """1.0 where the most likely label is not a true one, else 0.0 [n]."""
        return np.asarray(1.0 - self.truth[np.arange(len(self.truth)), self.scores.argmax(axis=1)])


@dataclass(frozen=True)
class LabelScore:
    """One label's precision, recall and F1 (0 where undefined), and how many texts truly have it."""

    precision: float
    recall: float
    f1: float
    support: int


def measure(judged: Judged) -> dict[str, Any]:
    """Everything `evaluate --json` writes, as plain values. See the functions below for the definitions."""
    labels, under = per_label(judged), areas(judged.ranking, judged.top_wrong)
    return {
        "texts": len(judged.truth),
        "task": "multi_label" if judged.multi_label else "single_label",
        "labels": list(judged.label_names),
        "accuracy": accuracy(judged),
        "macro_f1": macro_f1(labels, judged),
        "micro_f1": micro_f1(judged),
        "weighted_f1": weighted_f1(labels),
        "per_label": {name: vars(score) for name, score in labels.items()},
        "confusion_matrix": confusion_matrix(judged).tolist(),
        "ece": calibration_error(judged),
        "brier": brier(judged),
        **{name: area.value for name, area in under.items()},
        "intervals": {name: [area.low, area.high] for name, area in under.items()},
        "coverage": float(judged.accepted.mean()),
        "selective_risk": selective_risk(judged),
    }


def accuracy(judged: Judged) -> float:
    """Share of texts whose answer is exactly right; for multi-label the whole set of labels."""
    return float((judged.answers == judged.truth).all(axis=1).mean())


def per_label(judged: Judged) -> dict[str, LabelScore]:
    """Precision, recall, F1 and support of every label."""
    hits = (judged.answers & judged.truth).sum(axis=0)
    answered, support = judged.answers.sum(axis=0), judged.truth.sum(axis=0)
    return {
        name: LabelScore(
            precision=_ratio(hits[column], answered[column]),
            recall=_ratio(hits[column], support[column]),
            f1=_ratio(2 * hits[column], answered[column] + support[column]),
            support=int(support[column]),
        )
        for column, name in enumerate(judged.label_names)
    }


def macro_f1(labels: dict[str, LabelScore], judged: Judged) -> float:
    """Mean F1 over the labels that occur in the truth or in the answers."""
    occurs = np.any(judged.answers | judged.truth, axis=0).tolist()
    values = [score.f1 for score, counts in zip(labels.values(), occurs, strict=True) if counts]
    return float(np.mean(values)) if values else 0.0


def micro_f1(judged: Judged) -> float:
    """F1 over all pairs of text and label together; for single-label the accuracy."""
    hits = (judged.answers & judged.truth).sum()
    return _ratio(2 * hits, judged.answers.sum() + judged.truth.sum())


def weighted_f1(labels: dict[str, LabelScore]) -> float:
    """Mean F1 weighted by support."""
    total = sum(score.support for score in labels.values())
    return _ratio(sum(score.f1 * score.support for score in labels.values()), total)


def confusion_matrix(judged: Judged) -> NDArray[np.int64]:
    """Single-label: counts [L, L], rows the truth, columns the answer. Multi-label: [L, 2, 2] for each label alone,
    `[[true negative, false positive], [false negative, true positive]]`."""
    truth, answers = judged.truth.astype(np.int64), judged.answers.astype(np.int64)
    if not judged.multi_label:
        return truth.T @ answers
    both = (truth * answers).sum(axis=0)
    false_positive, false_negative = answers.sum(axis=0) - both, truth.sum(axis=0) - both
    neither = len(truth) - both - false_positive - false_negative
    return np.stack([neither, false_positive, false_negative, both], axis=1).reshape(-1, 2, 2)


@dataclass(frozen=True)
class CalibrationBin:
    """Predictions of similar confidence: how sure they were, how often they were right, how many there are."""

    confidence: float
    frequency: float
    count: int


def calibration_bins(judged: Judged, *, bins: int = CALIBRATION_BINS) -> list[CalibrationBin]:
    """Non-empty bins of equal width over [0, 1]. Single-label: the top score against being right; multi-label: every
    score of every label against that label being true."""
    if judged.multi_label:
        stated, right = judged.scores.ravel(), judged.truth.ravel().astype(np.float64)
    else:
        stated, right = judged.confidence, 1.0 - judged.top_wrong
    place = np.minimum((stated * bins).astype(np.int64), bins - 1)
    counts = np.bincount(place, minlength=bins)
    sums = np.bincount(place, weights=stated, minlength=bins), np.bincount(place, weights=right, minlength=bins)
    return [
        CalibrationBin(float(sums[0][at] / counts[at]), float(sums[1][at] / counts[at]), int(counts[at]))
        for at in range(bins)
        if counts[at]
    ]


def calibration_error(judged: Judged, *, bins: int = CALIBRATION_BINS) -> float:
    """Expected calibration error (Naeini et al. 2015; Guo et al. 2017) over `calibration_bins`."""
    found = calibration_bins(judged, bins=bins)
    return sum(one.count * abs(one.confidence - one.frequency) for one in found) / sum(one.count for one in found)


def brier(judged: Judged) -> float:
    """Mean squared distance of scores to truth: summed over labels for single-label (0 to 2, Brier 1950), averaged
    over them for multi-label (0 to 1)."""
    squares = (judged.scores - judged.truth) ** 2
    return float(squares.mean() if judged.multi_label else squares.sum(axis=1).mean())


def selective_risk(judged: Judged) -> float | None:
    """Mean loss of the accepted texts, None when none is. Single-label: wrong or not; multi-label: the share of a
    text's emitted labels that are wrong."""
    if not judged.accepted.any():
        return None
    answers, truth = judged.answers[judged.accepted], judged.truth[judged.accepted]
    return float(((answers & ~truth).sum(axis=1) / np.maximum(answers.sum(axis=1), 1)).mean())


def _ratio(part: float, whole: float) -> float:
    return float(part) / float(whole) if whole else 0.0
