from __future__ import annotations

import numpy as np
import pytest

from tests.unit.decision.cases import scores
from worker.decision.calibration import Calibration, grouped, tempered
from worker.records import Task


@pytest.mark.parametrize("task", list(Task))
def test_temperature_flattens_without_changing_the_order(task: Task) -> None:
    """T > 1 moves probabilities to the middle, keeps their order, and extremes stay finite."""
    hot = tempered(scores((0.9, 0.07, 0.03), (1.0, 0.0, 0.0)), 2.0, task)

    assert hot[0, 0] < 0.9
    assert np.all(np.isfinite(hot))
    assert [2, 1, 0] == list(np.argsort(hot[0]))


def test_temperature_of_a_softmax_is_that_of_its_logits() -> None:
    """Scaling probabilities is the same as scaling the logits they came from."""
    logits = np.array([[2.0, -1.0, 0.5]])
    softmax = np.exp(logits) / np.exp(logits).sum()
    cooled = np.exp(logits / 1.7) / np.exp(logits / 1.7).sum()

    np.testing.assert_allclose(tempered(softmax, 1.7, Task.SINGLE_LABEL), cooled, atol=1e-6)


def test_each_label_may_have_a_slope_and_a_shift() -> None:
    """Platt scaling of the logits that the probabilities stand for."""
    logits = np.array([[2.0, -1.0], [0.5, 4.0]])
    slopes, shifts = np.array([0.5, 2.0]), np.array([0.0, -1.0])
    calibration = Calibration(Task.MULTI_LABEL, 1.0, slopes=slopes, shifts=shifts)

    calibrated = calibration.apply(1 / (1 + np.exp(-logits)))

    np.testing.assert_allclose(calibrated, 1 / (1 + np.exp(-(logits * slopes + shifts))), rtol=1e-9)


@pytest.mark.parametrize("slope", [0.1, 1.0, 50.0])
def test_certainty_stays_a_probability(slope: float) -> None:
    """Scores that were saturated by huge logits (0 and 1 exactly) neither overflow nor leave [0, 1]."""
    calibration = Calibration(Task.MULTI_LABEL, 0.05, slopes=np.full(2, slope), shifts=np.array([5.0, -5.0]))

    calibrated = calibration.apply(scores((0.0, 1.0), (1.0, 0.0)))

    assert np.all((calibrated >= 0) & (calibrated <= 1))


def test_nothing_to_do_leaves_the_scores_alone() -> None:
    """A temperature of 1 gives the very same array."""
    rows = scores((0.9, 0.1))

    assert Calibration(Task.SINGLE_LABEL).apply(rows) is rows
    assert not Calibration(Task.SINGLE_LABEL).changes


@pytest.mark.parametrize(("task", "expected"), [(Task.SINGLE_LABEL, [0.9, 0.1]), (Task.MULTI_LABEL, [0.76, 0.1])])
def test_a_group_has_the_score_that_any_of_its_labels_is_true(task: Task, expected: list[float]) -> None:
    """The sum where labels exclude each other; as of independent events where they do not."""
    found = grouped(
        scores((0.6, 0.1, 0.3), (0.4, 0.1, 0.6))[[0 if task is Task.SINGLE_LABEL else 1]],
        [np.array([0, 2]), np.array([1])],
        task,
    )

    np.testing.assert_allclose(found[0], expected, rtol=1e-5)
