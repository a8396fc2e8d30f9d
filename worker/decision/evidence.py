"""What decisions are made from: the columns of one wave, in the order of its texts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from worker.records import Encoded, Prediction

Scores = NDArray[np.floating]
Energy = NDArray[np.float64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Evidence:
    """`scores` [texts, labels]: the model's probabilities. `ids`: each text's token ids. `truncated` bool [texts].

    `energy` float64 [texts]: log-sum-exp of each text's logits; no number where it is not known.
    """

    scores: Scores
    ids: Sequence[NDArray[np.int32]]
    truncated: Flags
    energy: Energy | None = None

    @classmethod
    def of(cls, encoded: Sequence[Encoded], predictions: Sequence[Prediction]) -> Evidence:
        """What is known of each text, by its tokens and what the model predicted for them; at least one text."""
        return cls(
            scores=np.stack([prediction.scores for prediction in predictions]),
            ids=[text.ids for text in encoded],
            truncated=np.fromiter((text.truncated for text in encoded), dtype=np.bool_, count=len(encoded)),
            energy=np.array([each.energy for each in predictions], dtype=np.float64),  # None: no number
        )
