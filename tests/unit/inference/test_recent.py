from __future__ import annotations

import numpy as np

from worker.inference.recent import RecentScores


def scores(value: float) -> np.ndarray:
    return np.array([value], dtype=np.float32)


def test_forgets_the_least_recently_used() -> None:
    """Above the capacity what was looked up longest ago goes first."""
    recent = RecentScores(2)
    recent.remember({b"a": scores(1), b"b": scores(2)})
    recent.find([b"a"])

    recent.remember({b"c": scores(3)})

    assert {b"a", b"c"} == set(recent.find([b"a", b"b", b"c"]))
    assert len(recent) == 2


def test_capacity_zero_remembers_nothing() -> None:
    """With capacity 0 every text is computed."""
    recent = RecentScores(0)

    recent.remember({b"a": scores(1)})

    assert {} == recent.find([b"a"])


def test_more_at_once_than_fits() -> None:
    """A wave larger than the capacity leaves its last ones."""
    recent = RecentScores(2)

    recent.remember({bytes([n]): scores(n) for n in range(5)})

    assert {b"\x03", b"\x04"} == set(recent.find([bytes([n]) for n in range(5)]))
