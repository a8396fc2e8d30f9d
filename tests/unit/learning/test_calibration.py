from __future__ import annotations

import numpy as np
import pytest

from worker.learning.objective import class_weights, correction, prior_bias
from worker.learning.splits import split_indices
from worker.learning.temperature import fit_temperature, log_loss, probabilities
from worker.learning.thresholds import f1_thresholds


@pytest.mark.parametrize("multi_label", [False, True])
def test_the_temperature_of_logits_that_were_scaled_is_that_scale(multi_label: bool) -> None:
    """Labels drawn from softmax or sigmoid of z; the temperature of 2.5 z is 2.5."""
    rng = np.random.default_rng(3)
    logits = rng.normal(size=(20_000, 3))
    chances = probabilities(logits, multi_label=multi_label)
    if multi_label:
        targets = (rng.random(chances.shape) < chances).astype(float)
    else:
        targets = np.eye(3)[(chances.cumsum(axis=1) < rng.random((len(chances), 1))).sum(axis=1)]

    temperature = fit_temperature(2.5 * logits, targets, multi_label=multi_label)

    assert temperature == pytest.approx(2.5, rel=0.05)


def test_probabilities_of_extreme_logits_are_finite() -> None:
    """No overflow at a thousand, in either kind."""
    logits = np.array([[1000.0, -1000.0]])

    assert probabilities(logits, multi_label=False).tolist() == [[1.0, 0.0]]
    assert probabilities(logits, multi_label=True).tolist() == [[1.0, 0.0]]
    assert log_loss(logits, np.array([[1.0, 0.0]]), multi_label=False) == 0.0


def test_multi_label_weights_are_powers_of_the_odds() -> None:
    """One positive in four: (3 / 1) to the power."""
    targets = np.array([[1, 0], [0, 1], [0, 1], [0, 0]], dtype=np.float32)

    weights = class_weights(targets, power=1.0, multi_label=True)

    assert weights.tolist() == [3.0, 1.0]


def test_power_zero_weighs_nothing() -> None:
    """And then there is nothing to correct."""
    weights = class_weights(np.eye(3, dtype=np.float32), power=0.0, multi_label=False)

    assert correction(weights).tolist() == [0.0, 0.0, 0.0]


def test_the_correction_is_exact_for_a_model_of_the_weighted_prior() -> None:
    """A head that knows only the weighted frequencies gives the true ones back after the correction."""
    targets = np.zeros((1000, 2), dtype=np.float32)
    targets[:50, 0] = targets[50:, 1] = 1
    for multi_label in (False, True):
        weights = class_weights(targets, power=0.35, multi_label=multi_label)

        logits = prior_bias(targets, weights, multi_label=multi_label) - correction(weights)

        found = probabilities(logits[None].astype(float), multi_label=multi_label)[0]
        assert found.tolist() == pytest.approx([0.05, 0.95], abs=1e-5)


def test_thresholds_part_what_can_be_parted() -> None:
    """Positives above 0.4, negatives below 0.2: the threshold lies in the middle between."""
    scores = np.concatenate([np.linspace(0.0, 0.19, 100), np.linspace(0.41, 0.9, 100)])[:, None]
    targets = np.repeat([0.0, 1.0], 100)[:, None]

    [threshold] = f1_thresholds(scores, targets)

    assert threshold == pytest.approx(0.3, abs=0.03)


def test_a_rare_label_leans_on_the_others() -> None:
    """With one positive a label's threshold comes from the mean curve, not from that text."""
    rng = np.random.default_rng(1)
    common = (rng.random(500) < 0.4).astype(float)
    common_scores = np.clip(0.5 * common + 0.5 * rng.random(500), 0, 1)
    rare = np.zeros(500)
    rare[0] = 1.0
    rare_scores = np.full(500, 0.01)
    rare_scores[0] = 0.05
    scores = np.stack([common_scores] * 5 + [rare_scores], axis=1)
    targets = np.stack([common] * 5 + [rare], axis=1)

    leaning = f1_thresholds(scores, targets, shrinkage=100.0)[-1]
    alone = f1_thresholds(scores, targets, shrinkage=0.0)[-1]

    assert alone < 0.06 < leaning


def test_equal_texts_stay_on_one_side_whatever_else_is_there() -> None:
    """A text's side depends on the text and the seed alone."""
    texts = [f"text {number}" for number in range(1000)]

    kept, held = split_indices(texts, share=0.1, seed=1)
    _, held_of_double = split_indices(texts * 2, share=0.1, seed=1)

    assert sorted(kept + held) == list(range(1000))
    assert 60 < len(held) < 140
    assert held_of_double == held + [index + 1000 for index in held]


def test_two_texts_are_parted() -> None:
    """Neither side is ever empty when there are two different texts."""
    for seed in range(20):
        kept, held = split_indices(["a", "b"], share=0.1, seed=seed)

        assert (len(kept), len(held)) == (1, 1)
