"""How far an engine's probabilities are from the reference's, over the same texts. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from worker.errors import RecordError
from worker.records import Prediction

MOST_DIFFERENCE: Final = 0.03
LEAST_SAME_LABEL: Final = 0.99


@dataclass(frozen=True, slots=True)
class Agreement:
    """`largest_difference`: of any label's probability in any text. `same_label`: share of texts with the same most
    likely label."""

    texts: int
    largest_difference: float
    same_label: float

    @property
    def close(self) -> bool:
        """Whether thresholds chosen with the reference can be used here."""
        return self.largest_difference <= MOST_DIFFERENCE and self.same_label >= LEAST_SAME_LABEL


def compare(reference: Sequence[Prediction | RecordError], other: Sequence[Prediction | RecordError]) -> Agreement:
    """Over the texts that both have scores for, in the same order."""
    pairs = [
        (one.scores, two.scores)
        for one, two in zip(reference, other, strict=True)
        if not isinstance(one, RecordError) and not isinstance(two, RecordError)
    ]
    if not pairs:
        return Agreement(0, 0.0, 1.0)
    expected, actual = (np.stack(scores) for scores in zip(*pairs, strict=True))
    same = expected.argmax(axis=1) == actual.argmax(axis=1)
    return Agreement(len(pairs), float(np.abs(expected - actual).max()), float(same.mean()))
