"""Which texts are measured with."""

from __future__ import annotations

import pytest

from worker.errors import DataError
from worker.files import InputRow
from worker.intake import Intake
from worker.profiling.texts import shuffled, texts_of

INTAKE = Intake(format="json", pointer="/text", max_value_bytes=1000)


def test_rows_without_a_text_are_left_out() -> None:
    """As the worker would dead-letter them."""
    rows = [InputRow(1, b'{"text": "one"}'), InputRow(2, b"{}"), InputRow(3, b"", "no fields"), InputRow(4, b"nothing")]

    assert ["one"] == texts_of(rows, INTAKE, name="texts.jsonl")


def test_a_file_without_texts_is_refused() -> None:
    """In one line."""
    with pytest.raises(DataError, match="no texts to measure with"):
        texts_of([InputRow(1, b"{}")], INTAKE, name="texts.jsonl")


def test_the_order_is_another_but_always_the_same() -> None:
    """So that a sorted file does not make one wave of short and one of long texts."""
    texts = [str(number) for number in range(100)]

    assert shuffled(texts) == shuffled(texts) != texts
    assert set(texts) == set(shuffled(texts))
