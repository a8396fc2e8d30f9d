"""How wrong sets of labels are, and the truth of groups; numpy alone, so the core install can evaluate.

`emitted` and `truth` are bool [n, labels] throughout.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]
Flags = NDArray[np.bool_]


def wrong_emitted(emitted: Flags, truth: Flags) -> Numbers:
    """Share of each text's emitted labels that are wrong [n]; 0 without any."""
    return np.asarray((emitted & ~truth).sum(axis=1) / np.maximum(emitted.sum(axis=1), 1))


def exact_match_error(emitted: Flags, truth: Flags) -> Numbers:
    """1 where the emitted labels are not exactly the true ones, else 0 [n]."""
    return np.asarray((emitted != truth).any(axis=1), dtype=np.float64)


LOSSES: Mapping[str, Callable[[Flags, Flags], Numbers]] = {
    "wrong_emitted": wrong_emitted,
    "exact_match_error": exact_match_error,
}


def grouped_truth(truth: Flags, members: Sequence[NDArray[np.intp]]) -> Flags:
    """Whether each text truly has any label of each group, bool [n, groups]."""
    return np.stack([truth[:, group].any(axis=1) for group in members], axis=1)
