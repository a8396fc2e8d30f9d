"""The floor under every model: TF-IDF of words and character n-grams into a linear classifier.

It trains in seconds; a transformer that does not beat it is not worth its cost.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from worker.learning.datasets import LabelledTexts
from worker.learning.metrics import Judged, macro_f1, micro_f1, per_label
from worker.learning.thresholds import f1_thresholds

WORD_FEATURES = 60_000
CHARACTER_FEATURES = 60_000


@dataclass(frozen=True)
class FloorScore:
    """Quality of the linear model; for single-label micro-F1 is the accuracy."""

    micro_f1: float
    macro_f1: float


def linear_floor(train: LabelledTexts, tune: LabelledTexts, judge: LabelledTexts, *, seed: int) -> FloorScore:
    """Fit on `train`, choose per-label thresholds on `tune` (multi-label only), measure on `judge`."""
    features = _features()
    matrix = features.fit_transform(train.texts)
    if train.multi_label:
        heads = [_logistic(seed).fit(matrix, column) for column in train.targets().T]
        scores, tuned = (
            np.stack([head.predict_proba(features.transform(part.texts))[:, -1] for head in heads], axis=1)
            for part in (judge, tune)
        )
        emitted = scores >= f1_thresholds(tuned, tune.targets())
    else:
        head = _logistic(seed).fit(matrix, train.targets().argmax(axis=1))
        scores = np.zeros((len(judge), len(train.label_names)))
        scores[:, head.classes_] = head.predict_proba(features.transform(judge.texts))
        emitted = np.zeros_like(scores, dtype=np.bool_)
    judged = _judged(judge, scores, emitted)
    return FloorScore(micro_f1=micro_f1(judged), macro_f1=macro_f1(per_label(judged), judged))


def _features() -> Any:
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.pipeline import make_union

    words = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, min_df=2, max_features=WORD_FEATURES)
    characters = TfidfVectorizer(
        analyzer="char_wb", ngram_range=(2, 5), sublinear_tf=True, min_df=3, max_features=CHARACTER_FEATURES
    )
    return make_union(words, characters)


def _logistic(seed: int) -> Any:
    from sklearn.linear_model import SGDClassifier

    return SGDClassifier(loss="log_loss", alpha=3e-6, max_iter=10, tol=None, average=True, random_state=seed)


def _judged(data: LabelledTexts, scores: NDArray[np.float64], emitted: NDArray[np.bool_]) -> Judged:
    return Judged(
        label_names=data.label_names,
        multi_label=data.multi_label,
        scores=scores,
        truth=data.targets() > 0,
        emitted=emitted,
        accepted=np.ones(len(data), dtype=np.bool_),
    )
