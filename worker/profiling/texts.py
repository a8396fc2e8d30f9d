"""The texts to measure with: a file's, as `classify` takes it, or those of the demonstration."""

from __future__ import annotations

import random
from collections.abc import Iterable
from itertools import islice
from typing import Final

from worker.errors import DataError, RecordError
from worker.files import InputRow
from worker.intake import Intake
from worker.records import Record

MOST_TEXTS: Final = 16_384
SEED: Final = 20


def texts_of(rows: Iterable[InputRow], intake: Intake, *, name: str) -> list[str]:
    """The texts of the first rows of a file; rows without one are left out. Raises DataError where there is none."""
    found = [text for row in islice(rows, MOST_TEXTS) if (text := _text_of(row, intake, name)) is not None]
    if not found:
        raise DataError(f"{name}: no texts to measure with")
    return found


def shuffled(texts: list[str]) -> list[str]:
    """In an order that is the same in every run: a file sorted by length would make waves that differ."""
    return random.Random(SEED).sample(texts, len(texts))  # noqa: S311 - reproducible, not secret


def _text_of(row: InputRow, intake: Intake, name: str) -> str | None:
    if row.problem is not None:
        return None
    try:
        return intake(Record(name, 0, row.number, -1, None, row.value)).text
    except RecordError:
        return None
