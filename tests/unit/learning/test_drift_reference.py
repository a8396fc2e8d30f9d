"""The reference of a drift check, and that its stated rate of false alarms holds for it."""

from __future__ import annotations

import numpy as np
import pytest

from worker.decision.drift import DAY_S, DriftWatch
from worker.learning.drift_reference import drift_check


def confidences(size: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).beta(8, 1, size)


def alarms(watch: DriftWatch, stream: np.ndarray, *, day: int = 0) -> bool:
    for wave in np.array_split(stream, max(1, len(stream) // 512)):
        watch.observe(wave, wave, now=day * DAY_S)
    return watch.state().alarm


def test_bins_hold_equal_shares_and_their_uncertainty() -> None:
    """More texts know the shares better."""
    few, many = (drift_check(confidences(size, seed=0)).bins for size in (300, 30_000))

    assert pytest.approx([0.1] * 10, abs=0.005) == [each.share for each in many]
    assert many[0].most - many[0].least < (few[0].most - few[0].least) / 5


def test_reference_samples_do_not_raise_false_alarms() -> None:
    """40 references of 1 000 texts, a day of 25 000 unchanged records each: 1 000 000 records, no alarm expected at a
    stated 0.01 a day."""
    found = [
        alarms(DriftWatch(drift_check(confidences(1000, seed))), confidences(25_000, seed=1000 + seed))
        for seed in range(40)
    ]

    assert sum(found) <= 2


def test_changed_confidences_raise_the_alarm() -> None:
    """A foreign language makes a model unsure, or surer than ever."""
    check = drift_check(confidences(1000, seed=0))

    assert alarms(DriftWatch(check), np.random.default_rng(1).beta(3, 1, 5000))
    assert alarms(DriftWatch(check), np.random.default_rng(1).beta(40, 1, 5000))


@pytest.mark.parametrize("confidence", [np.empty(0), np.ones(50), np.zeros(50), np.repeat([0.2, 0.9], 25)])
def test_odd_references_are_references(confidence: np.ndarray) -> None:
    """No texts, ties, the ends of the range."""
    check = drift_check(confidence)

    assert 1.0 == check.bins[-1].confidence_below
    assert not alarms(DriftWatch(check), np.resize(confidence, 2000) if len(confidence) else confidences(2000, seed=0))
