from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from worker.inference.activation import activate, energies
from worker.records import Task

LOGITS = arrays.arrays(
    np.float32,
    arrays.array_shapes(min_dims=2, max_dims=2, max_side=12),
    elements=st.floats(allow_nan=False, allow_infinity=False, width=32),
)


@given(logits=LOGITS)
def test_any_finite_logits_give_probabilities(logits: np.ndarray) -> None:
    """Whatever finite logits a model gives, scores are finite and within 0 and 1; a softmax sums to 1."""
    with np.errstate(over="ignore"):  # the distance of two extreme logits may be infinite; its exponential is zero
        single, multi = activate(logits, Task.SINGLE_LABEL), activate(logits, Task.MULTI_LABEL)

    assert all(np.isfinite(scores).all() and (scores >= 0).all() and (scores <= 1).all() for scores in (single, multi))
    np.testing.assert_allclose(single.sum(axis=1), 1.0, rtol=1e-5)


def test_shift_is_by_the_largest_value() -> None:
    """Very negative logits beside an ordinary one do not vanish into NaN: the shift is by the largest, not by size."""
    scores = activate(np.array([[-1000.0, 1.0]], dtype=np.float32), Task.SINGLE_LABEL)

    assert [[0.0, 1.0]] == scores.tolist()


def test_known_values() -> None:
    """Softmax and sigmoid of hand-computed logits."""
    logits = np.log(np.array([[1.0, 2.0, 5.0]], dtype=np.float32))

    np.testing.assert_allclose(activate(logits, Task.SINGLE_LABEL), [[0.125, 0.25, 0.625]], rtol=1e-6)
    np.testing.assert_allclose(activate(logits, Task.MULTI_LABEL), [[0.5, 2 / 3, 5 / 6]], rtol=1e-6)


def test_the_energy_is_what_a_softmax_takes_out() -> None:
    """Probabilities are the exponentials of the logits minus it, at the extremes too."""
    logits = np.array([[1.0, 2.0, 5.0], [1e4, -1e4, 0.0], [-1e4, -1e4, -1e4]], dtype=np.float32)

    found = energies(logits)

    np.testing.assert_allclose(np.exp(logits - found[:, None]), activate(logits, Task.SINGLE_LABEL), atol=1e-6)
    np.testing.assert_allclose(found, [np.log(np.exp([1.0, 2.0, 5.0]).sum()), 1e4, np.log(3.0) - 1e4])


def test_one_label() -> None:
    """One label: a sigmoid decides, a softmax is always certain."""
    logits = np.array([[0.0], [-80.0]], dtype=np.float32)

    assert [[1.0], [1.0]] == activate(logits, Task.SINGLE_LABEL).tolist()
    np.testing.assert_allclose(activate(logits, Task.MULTI_LABEL), [[0.5], [1.8e-35]], rtol=1e-2)


@pytest.mark.parametrize("dtype", [np.float16, np.float64])
def test_scores_are_float32(dtype: type) -> None:
    """Whatever the logits' type, scores are float32."""
    assert activate(np.zeros((2, 3), dtype=dtype), Task.MULTI_LABEL).dtype == np.float32
