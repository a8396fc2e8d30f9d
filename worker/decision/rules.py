"""What every decision rule offers."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from worker.records import Decision

Scores = NDArray[np.floating]


class Rule(Protocol):
    """Turns scores into decisions. Stateless: the same scores always give the same decisions."""

    @property
    def threshold(self) -> float | None:
        """The one confidence below which the rule abstains, if it has just one: stated in events."""
        ...

    def decide(self, scores: Scores) -> list[Decision]:
        """One decision for each row of probabilities [texts, labels]."""
        ...
