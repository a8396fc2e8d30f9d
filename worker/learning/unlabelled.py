"""Texts without labels, from any file that `classify` reads: what int8 is calibrated on and judged by.

Owns which of them serve for what: in an order that is the same each time, each text once, and none for both.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

import numpy as np
import orjson

from worker.errors import DataError
from worker.files import InputFormat, InputRow, format_of, read_rows
from worker.intake import is_blank

ORDER_SEED: Final = 13
MOST_ROWS: Final = 100_000


def load_texts(path: Path, *, field: str = "text") -> list[str]:
    """The different texts of a file, in a shuffled order that is the same each time; rows without one are left out.

    Of a longer file only its first rows. Raises DataError.
    """
    kind = format_of(path)
    column = None if kind is InputFormat.TXT else field
    try:
        with path.open("rb") as stream:
            rows = read_rows(stream, kind, name=str(path), column=column)
            texts = list(dict.fromkeys(_texts(_first(rows, MOST_ROWS), column)))
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error
    if not texts:
        raise DataError(f"{path}: no texts in it" + (f" under {column!r}: name it with --text-field" if column else ""))
    order = np.random.default_rng(ORDER_SEED).permutation(len(texts))
    return [texts[index] for index in order]


def texts_hash(texts: Sequence[str]) -> str:
    """`sha256:…` of the texts, whatever their order."""
    digest = hashlib.sha256()
    for each in sorted(hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest() for text in texts):
        digest.update(each)
    return f"sha256:{digest.hexdigest()}"


def _first(rows: Iterable[InputRow], most: int) -> Iterator[InputRow]:
    return (row for _, row in zip(range(most), rows, strict=False))


def _texts(rows: Iterable[InputRow], column: str | None) -> Iterator[str]:
    for row in rows:
        text = _text(row, column)
        if text is not None and not is_blank(text):
            yield text


def _text(row: InputRow, column: str | None) -> str | None:
    try:
        found = row.value.decode() if column is None else orjson.loads(row.value or b"null")
    except ValueError:
        return None
    if column is not None:
        found = found.get(column) if isinstance(found, dict) else None
    return found if isinstance(found, str) else None
