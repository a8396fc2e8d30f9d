"""Agreement of two engines over the same texts."""

from __future__ import annotations

import numpy as np
import pytest

from worker.errors import DeadReason, RecordError, Stage
from worker.profiling.agreement import compare
from worker.records import Prediction

FAILED = RecordError(Stage.INFERENCE, DeadReason.INFERENCE_FAILED, "the model fails on this text")


def scores(*values: float) -> Prediction:
    return Prediction(np.array(values, dtype=np.float32), tokens=3, truncated=False)


def test_the_largest_difference_of_any_label_counts() -> None:
    """And the share of texts with the same most likely label."""
    found = compare([scores(0.9, 0.1), scores(0.51, 0.49)], [scores(0.88, 0.12), scores(0.48, 0.52)])

    assert (2, pytest.approx(0.03, abs=1e-6), 0.5) == (found.texts, found.largest_difference, found.same_label)
    assert not found.close


def test_texts_without_scores_are_left_out() -> None:
    """A text on which one of them fails says nothing of the others."""
    found = compare([FAILED, scores(0.9, 0.1)], [scores(0.5, 0.5), scores(0.9, 0.1)])

    assert (1, 0.0, 1.0) == (found.texts, found.largest_difference, found.same_label)
    assert found.close


def test_nothing_to_compare_is_no_difference() -> None:
    """Nothing is made up."""
    assert 0 == compare([FAILED], [FAILED]).texts
