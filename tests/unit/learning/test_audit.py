"""Accuracy from audited answers."""

from __future__ import annotations

import numpy as np
import pytest

from worker.decision.audit import audit_probability
from worker.learning.audit import audit_strata, estimate_risk


def traffic(size: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Calibrated confidences, and which answers are wrong."""
    rng = np.random.default_rng(seed)
    confidence = rng.beta(8, 1, size)
    return confidence, (rng.random(size) > confidence).astype(np.float64)


@pytest.mark.parametrize("size_known", [True, False])
def test_more_doubtful_records_in_the_sample_do_not_bias_the_estimate(size_known: bool) -> None:
    """Over 200 audits the mean is the true risk, and 95 % of the intervals hold it."""
    estimates, held = [], []
    for seed in range(200):
        confidence, wrong = traffic(4000, seed)
        strata = audit_strata(confidence, rate=0.1)
        probability = np.array([audit_probability(each, least=0.0, strata=strata) for each in confidence])
        chosen = np.random.default_rng(1000 + seed).random(4000) < probability
        found = estimate_risk(wrong[chosen], probability[chosen], accepted=4000 if size_known else None)
        estimates.append(found.risk - wrong.mean())
        held.append(found.low <= wrong.mean() <= found.high)

    assert abs(np.mean(estimates)) < 3 * np.std(estimates) / np.sqrt(200)
    assert np.mean(held) >= 0.92


def test_doubtful_records_are_audited_more_at_the_same_cost() -> None:
    """Rates fall with confidence, and their mean is the rate asked for."""
    confidence, _ = traffic(10_000, seed=0)

    strata = audit_strata(confidence, rate=0.05)

    rates = [stratum.rate for stratum in strata]
    assert rates == sorted(rates, reverse=True)
    assert rates[0] > 1.5 * rates[-1]
    assert pytest.approx(0.05, rel=0.02) == np.mean(
        [audit_probability(each, least=0.0, strata=strata) for each in confidence]
    )


def test_no_error_found_is_not_no_risk() -> None:
    """The interval of 0 in 100 ends where the rule of three says."""
    found = estimate_risk(np.zeros(100), np.full(100, 0.1))

    assert (0.0, 0.0) == (found.risk, found.low)
    assert pytest.approx(0.036, abs=0.001) == found.high


def test_all_wrong_is_not_certainty() -> None:
    """Nor the other way round."""
    found = estimate_risk(np.ones(10), np.ones(10))

    assert (1.0, 1.0) == (found.risk, found.high)
    assert found.low < 0.75


def test_without_answers_there_is_no_estimate() -> None:
    """It is said, not guessed."""
    with pytest.raises(ValueError, match="no audited answers"):
        estimate_risk(np.empty(0), np.empty(0))
