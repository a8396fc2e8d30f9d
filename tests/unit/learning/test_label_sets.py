"""Losses and thresholds for sets of labels."""

from __future__ import annotations

import numpy as np
import pytest

from worker.learning.guarantees import Promise
from worker.learning.label_sets import (
    common_threshold,
    conformal_false_negatives,
    exact_match_error,
    grouped_truth,
    precision_thresholds,
    wrong_emitted,
)

EMITTED = np.array([[True, True, False], [False, False, False], [True, False, False]])
TRUTH = np.array([[True, False, True], [False, True, False], [True, False, False]])


def texts(size: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Three labels, each true with the probability stated."""
    rng = np.random.default_rng(seed)
    scores = rng.beta(0.5, 1.0, (size, 3))
    return scores, rng.random((size, 3)) < scores


def test_losses_of_a_set() -> None:
    """The share of given labels that are wrong; whether anything at all is not as it should be."""
    assert [0.5, 0.0, 0.0] == wrong_emitted(EMITTED, TRUTH).tolist()
    assert [1.0, 1.0, 0.0] == exact_match_error(EMITTED, TRUTH).tolist()


@pytest.mark.parametrize("loss", [wrong_emitted, exact_match_error])
def test_one_threshold_for_all_labels_keeps_the_promise(loss: object) -> None:
    """In 60 calibrations the mean loss among texts that get a label is above the target in a tenth, with slack."""
    live, truth = texts(50_000, seed=99)
    target = 0.2 if loss is wrong_emitted else 0.8
    broken = []
    for seed in range(60):
        chosen = common_threshold(*texts(600, seed), Promise(target), loss=loss)  # type: ignore[arg-type]
        emitted = live >= (chosen.threshold if chosen else np.inf)
        given = emitted.any(axis=1)
        broken.append(bool(given.any()) and loss(emitted[given], truth[given]).mean() > target)  # type: ignore[operator]

    assert np.mean(broken) <= 0.1 + 3 * np.sqrt(0.1 * 0.9 / 60)


def test_labels_that_cannot_be_proven_have_no_threshold() -> None:
    """A label that is never true, beside two that are."""
    scores, truth = texts(2000)
    truth[:, 1] = False

    chosen = precision_thresholds(scores, truth, Promise(0.3))

    assert [True, False, True] == [each is not None for each in chosen]


def test_missed_labels_are_bounded_on_average() -> None:
    """Over calibration sets the mean share of missed labels is at most the target, and close to it."""
    live, truth = texts(20_000, seed=99)
    missed = []
    for seed in range(50):
        threshold = conformal_false_negatives(*texts(300, seed), 0.2)
        emitted = live >= threshold
        missed.append(((truth & ~emitted).sum(axis=1) / np.maximum(truth.sum(axis=1), 1)).mean())

    assert 0.17 < np.mean(missed) <= 0.205


@pytest.mark.parametrize("size", [0, 3])
def test_too_few_texts_bound_nothing(size: int) -> None:
    """One text alone may lose everything."""
    scores, truth = texts(size)

    assert conformal_false_negatives(scores, truth, 0.2) is None
    assert common_threshold(scores, truth, Promise(0.2)) is None


def test_no_true_label_anywhere_misses_none() -> None:
    """Whatever is emitted."""
    assert 1.0 == conformal_false_negatives(np.full((20, 2), 0.5), np.zeros((20, 2), dtype=np.bool_), 0.1)


def test_a_group_is_true_when_any_of_its_labels_is() -> None:
    """As it is answered."""
    assert [[True, False], [False, True], [True, False]] == grouped_truth(
        TRUTH, [np.array([0, 2]), np.array([1])]
    ).tolist()
