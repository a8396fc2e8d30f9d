"""Where texts stand that share rows: nobody on another's place, nearly no padding, few shapes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.inference.test_packing import LIMITS, skewed
from worker.demo.messages import texts
from worker.inference.packing import PackingLimits, padded_tokens
from worker.inference.rows import STEP, WIDTH, fill_rows, lay, pack_rows, row_tokens

LENGTHS = st.lists(st.integers(min_value=1, max_value=600), min_size=1, max_size=300)
SHORT = st.lists(st.integers(min_value=1, max_value=WIDTH), max_size=300)
BUDGET = PackingLimits(1024, 256)


def computed(lengths: np.ndarray, limits: PackingLimits) -> int:
    return sum(row_tokens(lengths[batch]) for batch in pack_rows(lengths, limits))


@given(lengths=LENGTHS)
def test_no_text_stands_on_another(lengths: list[int]) -> None:
    """Each text has its own columns of its row, and its own slot."""
    layout = lay(lengths)

    taken = np.zeros((layout.rows, layout.width), dtype=int)
    for row, start, length in zip(layout.row, layout.start, lengths, strict=True):
        taken[row, start : start + length] += 1
    assert taken.sum() == sum(lengths)
    assert taken.max() == 1
    places = set(zip(layout.row.tolist(), layout.slot.tolist(), strict=True))
    assert len(places) == len(lengths)
    assert max(layout.slot) < layout.slots


@given(lengths=LENGTHS)
def test_never_more_than_padded(lengths: list[int]) -> None:
    """Up to the rounding of a row's width."""
    assert lay(lengths).tokens <= padded_tokens(np.array(lengths)) + STEP


@given(lengths=SHORT)
def test_rows_are_filled_as_planned(lengths: list[int]) -> None:
    """Every text once, no row beyond its width; and laid out in that order, the texts take no more rows."""
    rows = fill_rows(lengths)

    assert sorted(index for row in rows for index in row) == list(range(len(lengths)))
    assert all(sum(lengths[index] for index in row) <= WIDTH for row in rows)
    if rows:
        assert lay([lengths[index] for row in rows for index in row]).tokens <= len(rows) * WIDTH


@given(lengths=LENGTHS, limits=LIMITS)
def test_every_text_is_packed_once(lengths: list[int], limits: PackingLimits) -> None:
    """Whatever the lengths and limits, each text stands in exactly one micro-batch."""
    batches = pack_rows(lengths, limits)

    assert sorted(index for batch in batches for index in batch.tolist()) == list(range(len(lengths)))


@given(lengths=LENGTHS, limits=LIMITS)
def test_limits_hold(lengths: list[int], limits: PackingLimits) -> None:
    """No micro-batch exceeds the size, or by more than a step the budget, except a single text that is too long."""
    tokens = np.array(lengths)

    for batch in pack_rows(lengths, limits):
        assert batch.size <= limits.max_batch_size
        assert batch.size == 1 or row_tokens(tokens[batch]) <= limits.max_batch_tokens + STEP


def test_nothing_to_pack() -> None:
    """No text, no forward pass."""
    assert pack_rows([], BUDGET) == []


def test_a_few_short_texts_share_one_row() -> None:
    """One pass of about as many tokens as there are."""
    lengths = np.array([15, 20, 9, 31])

    (batch,) = pack_rows(lengths, BUDGET)

    assert (1, 80) == (lay(lengths[batch]).rows, lay(lengths[batch]).width)


def test_rows_are_full_while_there_is_choice() -> None:
    """Of many lengths, nearly all rows are filled to the last token."""
    lengths = np.random.default_rng(1).integers(3, 38, 512)

    filled = [int(lengths[row].sum()) for row in fill_rows(lengths.tolist())]

    assert filled.count(WIDTH) >= 0.9 * len(filled)


def test_texts_of_one_length_that_fill_no_row_are_padded() -> None:
    """Two texts of 30 tokens would leave four places of 64 empty in every row: each has a row of its own instead."""
    lengths = np.full(300, 30)

    batches = pack_rows(lengths, BUDGET)

    assert computed(lengths, BUDGET) == lengths.sum()
    assert all(lay(lengths[batch]).width == 30 for batch in batches)


def test_ordinary_text_is_hardly_padded_and_has_few_shapes() -> None:
    """Waves of 512 of the demo's texts, by words: 1.02 at most, in a dozen shapes."""
    lengths = np.array([2 + len(text.split()) for text in texts()[:2048]]).reshape(4, 512)

    layouts = [lay(window[batch]) for window in lengths for batch in pack_rows(window, BUDGET)]

    assert sum(layout.tokens for layout in layouts) <= 1.02 * lengths.sum()
    assert len({(layout.rows, layout.width, layout.slots) for layout in layouts}) <= 12


@pytest.mark.parametrize("name", ["pareto", "lognormal", "bimodal", "low variance"])
def test_padding_on_skewed_lengths(name: str) -> None:
    """On Beam's four distributions, in windows of 512, never above Beam's own ratios, and far below on the first."""
    beams = {"pareto": 3.19, "lognormal": 1.079, "bimodal": 1.075, "low variance": 1.010}[name]
    lengths = skewed(name, 10_240).reshape(20, 512)

    ratio = sum(computed(window, PackingLimits(2000, 32)) for window in lengths) / lengths.sum()

    assert ratio <= min(beams, 1.05)
