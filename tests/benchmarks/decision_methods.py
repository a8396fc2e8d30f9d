"""The ways to choose thresholds that the study of decisions compares: each keeps a promise by some texts of a pool.

Coverage and risk of what it chose are then measured on other texts. MAPIE is the yardstick.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from worker.decision.calibration import grouped
from worker.decision.confidence import SINGLE_SCORES, mean_emitted, set_probability
from worker.learning.calibration import best_score, fit_multi, fit_single
from worker.learning.corpora import EKMAN_GROUPS
from worker.learning.guarantees import METHODS, Promise, Selected, learn_then_test, per_label, within_budget
from worker.learning.label_sets import (
    common_threshold,
    conformal_false_negatives,
    exact_match_error,
    grouped_truth,
    precision_thresholds,
    wrong_emitted,
)
from worker.learning.thresholds import f1_thresholds
from worker.records import Task

Numbers = NDArray[np.float64]
Flags = NDArray[np.bool_]
Rows = NDArray[np.intp]

MAPIE_CANDIDATES = 60
FIT_SHARE = 0.3
"""Multi-label: the share of the calibration texts that calibrates the scores and sets F1 thresholds. The others prove
the promise: with some eighty numbers fitted on the same texts, it would be broken."""


@dataclass(frozen=True)
class Pool:
    """`scores` float64 and `truth` bool [texts, labels] of texts the model has not learned from."""

    scores: Numbers
    truth: Flags
    task: Task
    labels: tuple[str, ...]


@dataclass(frozen=True)
class Outcome:
    """What came of one calibration on the texts that judge it: share accepted, mean loss among them (0 without)."""

    coverage: float
    risk: float

    @classmethod
    def of(cls, accepted: Flags, loss: Numbers) -> Outcome:
        return cls(float(accepted.mean()), float(loss[accepted].mean()) if accepted.any() else 0.0)


@dataclass(frozen=True)
class Sample:
    """Calibrated `scores` of the whole pool, the labels `emitted` (multi-label: from F1 thresholds on), and the `rows`
    of the texts that may prove a promise."""

    pool: Pool
    scores: Numbers
    emitted: Flags
    rows: Rows

    @cached_property
    def wrong(self) -> Numbers:
        """1 where the most likely label is not a true one [texts]."""
        return _top_wrong(self.scores, self.pool.truth)

    @classmethod
    def of(cls, pool: Pool, rows: Rows) -> Sample:
        """All that is fitted before the promise: temperature, or scaling and F1 thresholds of each label."""
        if pool.task is Task.SINGLE_LABEL:
            scores = fit_single(pool.scores[rows], pool.truth[rows]).apply(pool.scores)
            return cls(pool, scores, np.zeros_like(pool.truth), rows)
        fit, rest = np.split(rows, [int(FIT_SHARE * len(rows))])
        scores = fit_multi(pool.scores[fit], pool.truth[fit]).apply(pool.scores)
        return cls(pool, scores, scores >= f1_thresholds(scores[fit], pool.truth[fit].astype(np.float64)), rest)


Judge = Callable[[Rows], Outcome]
Method = Callable[[Sample, Promise], Judge]
Select = Callable[[Numbers, Numbers, Promise], Selected | None]


def selecting(select: Select, *, choose_score: bool = False) -> Method:
    """One threshold for single answers."""

    def method(sample: Sample, promise: Promise) -> Judge:
        truth = sample.pool.truth[sample.rows]
        name = best_score(sample.scores[sample.rows], truth)[0] if choose_score else "max_probability"
        return _by_threshold(SINGLE_SCORES[name](sample.scores), sample.wrong, sample, promise, select)

    return method


def each_label(sample: Sample, promise: Promise) -> Judge:
    """A threshold for every label; judged by the label that fares worst."""
    score, label, wrong, rows = sample.scores.max(axis=1), sample.scores.argmax(axis=1), sample.wrong, sample.rows
    labels = sample.scores.shape[1]
    chosen = per_label(score[rows], wrong[rows], label[rows], promise, labels=labels)
    accepted = score >= _thresholds(chosen)[label]

    def judge(others: Rows) -> Outcome:
        parts = [accepted[others] & (label[others] == number) for number in range(labels)]
        return Outcome(float(accepted[others].mean()), max(Outcome.of(part, wrong[others]).risk for part in parts))

    return judge


def budget(sample: Sample, promise: Promise) -> Judge:
    """At most the target's share of texts is reviewed; the risk is that share."""
    score = sample.scores.max(axis=1)
    threshold = within_budget(score[sample.rows], promise.target_risk, confidence=promise.confidence)
    accepted = score >= (0.0 if threshold is None else threshold)
    return lambda others: Outcome(float(accepted[others].mean()), float(1.0 - accepted[others].mean()))


def one_threshold(sample: Sample, promise: Promise) -> Judge:
    """All labels from one threshold on; the loss is the share of a text's emitted labels that are wrong."""
    truth = sample.pool.truth
    chosen = common_threshold(sample.scores[sample.rows], truth[sample.rows], promise)
    emitted = sample.scores >= (chosen.threshold if chosen else np.inf)
    return lambda others: Outcome.of(emitted[others].any(axis=1), wrong_emitted(emitted[others], truth[others]))


def by_item(loss_of: Callable[..., Numbers], score_of: Callable[..., Numbers]) -> Method:
    """Labels from their F1 thresholds on; texts accepted from a confidence of their set of labels on."""

    def method(sample: Sample, promise: Promise) -> Judge:
        score = np.where(sample.emitted.any(axis=1), score_of(sample.scores, sample.emitted), np.nan)
        return _by_threshold(score, loss_of(sample.emitted, sample.pool.truth), sample, promise, learn_then_test)

    return method


def every_label(sample: Sample, promise: Promise) -> Judge:
    """Precision of every label at once; coverage is the share of labels that have a threshold."""
    return _precise(sample.scores, sample.pool.truth, sample.rows, promise)


def every_group(sample: Sample, promise: Promise) -> Judge:
    """Precision of every Ekman group at once."""
    scores, truth = _ekman(sample)
    return _precise(scores, truth, sample.rows, promise)


def top_group(sample: Sample, promise: Promise) -> Judge:
    """The most likely Ekman group."""
    scores, truth = _ekman(sample)
    return _by_threshold(scores.max(axis=1), _top_wrong(scores, truth), sample, promise, learn_then_test)


def few_missed(sample: Sample, promise: Promise) -> Judge:
    """Missed true labels, bounded on average only; coverage is the share of pairs of text and label emitted."""
    truth = sample.pool.truth
    threshold = conformal_false_negatives(sample.scores[sample.rows], truth[sample.rows], promise.target_risk)
    emitted = sample.scores >= (0.0 if threshold is None else threshold)
    missed = (truth & ~emitted).sum(axis=1) / np.maximum(truth.sum(axis=1), 1)
    return lambda others: Outcome(float(emitted[others].mean()), float(missed[others].mean()))


def mapie(fwer_method: str) -> Select:
    """MAPIE's controller of precision over quantiles of the score, strictest first."""
    from mapie.risk_control import BinaryClassificationController

    def select(score: Numbers, wrong: Numbers, promise: Promise) -> Selected | None:
        fewest = max(2 * np.log(promise.delta) / np.log(1.0 - promise.target_risk), len(score) / 10)
        ranked = np.sort(score)[::-1]
        places = np.linspace(min(fewest, len(score) - 1), len(score) - 1, MAPIE_CANDIDATES).astype(int)
        controller = BinaryClassificationController(
            lambda given: np.c_[1.0 - given, given],
            "precision",
            1.0 - promise.target_risk,
            confidence_level=promise.confidence,
            list_predict_params=np.unique(ranked[places])[::-1],
            fwer_method=fwer_method,
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # it says in words that there is no threshold
            controller.calibrate(score, (1.0 - wrong).astype(int))
        threshold = controller.best_predict_param
        return None if threshold is None else Selected(float(threshold), 1, 1, 0.0, 0.0)

    return select


def _by_threshold(score: Numbers, loss: Numbers, sample: Sample, promise: Promise, select: Select) -> Judge:
    chosen = select(score[sample.rows], loss[sample.rows], promise)
    accepted = score >= chosen.threshold if chosen else np.zeros(len(score), dtype=np.bool_)
    return lambda others: Outcome.of(accepted[others], loss[others])


def _precise(scores: Numbers, truth: Flags, rows: Rows, promise: Promise) -> Judge:
    chosen = precision_thresholds(scores[rows], truth[rows], promise)
    emitted = scores >= _thresholds(chosen)

    def judge(others: Rows) -> Outcome:
        wrong = (emitted[others] & ~truth[others]).sum(axis=0) / np.maximum(emitted[others].sum(axis=0), 1)
        return Outcome(float(np.mean([each is not None for each in chosen])), float(wrong.max()))

    return judge


def _thresholds(chosen: list[Selected | None]) -> Numbers:
    return np.array([each.threshold if each else np.inf for each in chosen])


def _top_wrong(scores: Numbers, truth: Flags) -> Numbers:
    return np.asarray(~truth[np.arange(len(scores)), scores.argmax(axis=1)], dtype=np.float64)


def _ekman(sample: Sample) -> tuple[Numbers, Flags]:
    labels = sample.pool.labels
    members = [np.array([labels.index(label) for label in group]) for group in EKMAN_GROUPS.values()]
    return grouped(sample.scores, members, sample.pool.task), grouped_truth(sample.pool.truth, members)


SINGLE_LABEL: Mapping[str, Method] = {
    "LTT fixed sequence (default)": selecting(learn_then_test),
    "LTT, score by AURC": selecting(learn_then_test, choose_score=True),
    "SGR": selecting(METHODS["sgr"]),
    "LTT for every label": each_label,
    "MAPIE `fixed_sequence`": selecting(mapie("fixed_sequence")),
    "MAPIE `bonferroni_holm`": selecting(mapie("bonferroni_holm")),
    "empirical (promises nothing)": selecting(METHODS["empirical"]),
}
MULTI_LABEL: Mapping[str, Method] = {
    "most likely label": selecting(learn_then_test),
    "labels from one threshold on: wrong ones": one_threshold,
    "labels by F1 thresholds: wrong ones": by_item(wrong_emitted, mean_emitted),
    "labels by F1 thresholds: not exactly the true ones": by_item(exact_match_error, set_probability),
    "precision of every label": every_label,
    "most likely Ekman group": top_group,
    "precision of every Ekman group": every_group,
    "missed labels (conformal, on average)": few_missed,
    "most likely label, empirical (promises nothing)": selecting(METHODS["empirical"]),
}
BUDGET: Mapping[str, Method] = {"share reviewed within the budget": budget}
