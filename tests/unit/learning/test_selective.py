"""Curves and areas of a classifier that may abstain."""

from __future__ import annotations

import numpy as np
import pytest

from worker.learning.selective import areas, aurc, cost_curve, e_aurc, risk_coverage


def test_a_perfect_ranking_has_no_excess() -> None:
    """Errors last: what area remains is that of the errors themselves."""
    loss = np.array([0.0, 0.0, 1.0])

    assert pytest.approx(0.0) == e_aurc(np.array([0.9, 0.8, 0.1]), loss)
    assert e_aurc(np.array([0.1, 0.8, 0.9]), loss) > 0.4


def test_confidences_that_are_no_numbers_rank_last() -> None:
    """Texts that are never accepted are accepted last."""
    loss = np.array([1.0, 0.0, 0.0])

    _, risk = risk_coverage(np.array([np.nan, 0.2, 0.1]), loss)

    assert [0.0, 0.0, pytest.approx(1 / 3)] == risk.tolist()


def test_intervals_hold_the_area_of_all_texts() -> None:
    """In nine of ten samples and more."""
    rng = np.random.default_rng(1)
    confidence = rng.random(20_000)
    loss = (rng.random(20_000) > confidence).astype(np.float64)
    whole = aurc(confidence, loss)
    held = []
    for seed in range(20):
        rows = np.random.default_rng(seed).integers(0, 20_000, 300)
        area = areas(confidence[rows], loss[rows], resamples=100)["aurc"]
        assert area.low <= area.value <= area.high
        held.append(area.low <= whole <= area.high)

    assert sum(held) >= 16


def test_areas_are_those_of_the_functions() -> None:
    """Ties and fractions of an error included."""
    rng = np.random.default_rng(2)
    confidence, loss = rng.integers(0, 5, 200) / 5, rng.integers(0, 3, 200) / 2

    found = areas(confidence, loss, resamples=5)

    assert pytest.approx(aurc(confidence, loss)) == found["aurc"].value
    assert pytest.approx(e_aurc(confidence, loss)) == found["e_aurc"].value


def test_the_cost_curve_goes_from_no_review_to_all() -> None:
    """Errors let through per 1 000 texts, fewer with every review."""
    reviews, errors = cost_curve(np.array([0.9, 0.8, 0.7, 0.6]), np.array([0.0, 0.0, 1.0, 1.0]))

    assert [0.0, 250.0, 500.0, 750.0, 1000.0] == reviews.tolist()
    assert [500.0, 250.0, 0.0, 0.0, 0.0] == errors.tolist()
