"""Fits of calibrated scores, and what is measured of them."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit, logit, softmax

from worker.learning.calibration import best_score, equal_mass_error, fit_multi, fit_single, quality
from worker.records import Task


def single(size: int, *, temperature: float) -> tuple[np.ndarray, np.ndarray]:
    """Scores of a model whose logits are `temperature` times too large, and the truth."""
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 2, (size, 4))
    honest = softmax(logits, axis=1)
    label = (honest.cumsum(axis=1) > rng.random((size, 1))).argmax(axis=1)
    return softmax(logits * temperature, axis=1), np.eye(4, dtype=np.bool_)[label]


def multi(size: int, *, slope: float, shift: float) -> tuple[np.ndarray, np.ndarray]:
    """Two labels: an honest one, and one whose logits are off by slope and shift."""
    rng = np.random.default_rng(0)
    logits = rng.normal(-1, 2, (size, 2))
    truth = rng.random((size, 2)) < expit(logits)
    return expit(np.stack([logits[:, 0], (logits[:, 1] - shift) / slope], axis=1)), truth


def test_temperature_makes_an_overconfident_model_honest() -> None:
    """The temperature is found, and every measure gets better."""
    scores, truth = single(4000, temperature=2.0)

    calibration = fit_single(scores, truth)

    before = quality(scores, truth, Task.SINGLE_LABEL)
    after = quality(calibration.apply(scores), truth, Task.SINGLE_LABEL)
    assert pytest.approx(2.0, rel=0.1) == calibration.temperature
    assert after.ece < before.ece / 3
    assert (after.nll, after.brier, after.classwise_ece) < (before.nll, before.brier, before.classwise_ece)


def test_each_label_is_scaled_by_what_it_lacks() -> None:
    """The honest one is left nearly as it is."""
    scores, truth = multi(5000, slope=0.5, shift=-1.0)

    calibration = fit_multi(scores, truth)

    assert calibration.slopes is not None
    assert calibration.shifts is not None
    np.testing.assert_allclose(calibration.slopes, [1.0, 0.5], rtol=0.1)
    np.testing.assert_allclose(calibration.shifts, [0.0, -1.0], atol=0.15)
    assert quality(calibration.apply(scores), truth, Task.MULTI_LABEL).ece < 0.02


def test_a_temperature_for_each_label_shifts_nothing() -> None:
    """Without shifts."""
    scores, truth = multi(2000, slope=0.5, shift=0.0)

    calibration = fit_multi(scores, truth, shifts=False)

    assert calibration.shifts is not None
    assert [0.0, 0.0] == calibration.shifts.tolist()


def test_a_label_never_seen_is_left_alone() -> None:
    """There is nothing to learn of it."""
    scores, truth = multi(500, slope=1.0, shift=0.0)
    truth[:, 1] = False

    calibration = fit_multi(scores, truth)

    assert calibration.slopes is not None
    assert (1.0, 0.0) == (calibration.slopes[1], calibration.shifts[1])  # type: ignore[index]


@pytest.mark.parametrize("size", [0, 1, 10])
def test_few_texts_and_certain_scores_stay_finite(size: int) -> None:
    """Scores of 0 and 1 come from logits of 1e4."""
    sure = np.tile([1.0, 0.0], (size, 1))
    truth = sure.astype(np.bool_)

    for calibration in (fit_single(sure, truth), fit_multi(sure, truth)):
        assert np.all(np.isfinite(calibration.apply(sure)))


def test_the_score_that_ranks_best_is_named() -> None:
    """With the area of each; a tie keeps the maximum probability."""
    scores, truth = single(500, temperature=1.0)

    name, areas = best_score(scores, truth)

    assert areas[name] == min(areas.values())
    assert {"max_probability", "margin", "entropy"} == set(areas)
    assert "max_probability" == best_score(scores[:, :1], truth[:, :1] | True)[0]


def test_bins_of_equal_mass_measure_the_gap() -> None:
    """A score that is always 0.2 too high is off by 0.2."""
    rng = np.random.default_rng(0)
    stated = rng.uniform(0.3, 1.0, 50_000)

    error = equal_mass_error(stated, rng.random(50_000) < stated - 0.2)

    assert pytest.approx(0.2, abs=0.01) == error
    assert logit(0.5) == 0.0
