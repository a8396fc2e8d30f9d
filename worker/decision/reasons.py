"""Marks: the reasons against accepting each text of a wave, one bit for each, so that checks stay vectorised.

Every check marks the texts it objects to; a text without a mark is accepted.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from schemas.review import Reason
from worker.decision.evidence import Flags

Marks = NDArray[np.uint16]

_BITS = {reason: np.uint16(1 << place) for place, reason in enumerate(Reason)}


def no_marks(texts: int) -> Marks:
    """A wave to which nobody objects yet."""
    return np.zeros(texts, dtype=np.uint16)


def mark(marks: Marks, rows: Flags, reason: Reason) -> None:
    """Add `reason` to the texts where `rows` [texts] is true."""
    marks |= rows * _BITS[reason]


@cache
def reasons_of(marks: int) -> tuple[Reason, ...]:
    """The reasons that one text's marks stand for, most important first."""
    return tuple(reason for reason, bit in _BITS.items() if marks & int(bit))
