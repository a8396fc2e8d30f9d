"""Texts that share a row of the model's input, one behind the other, each attending to its own tokens only.

Of short texts some always fill a row, so nearly nothing is padded, and nearly all forward passes have one of a few
shapes: a backend prepares itself for each shape that it has not seen, which takes a small model as long as half a pass.
Long texts, and those that find no company, are padded to a common length, each in a row of its own.

Pure: lengths in, indices and positions out. Knows nothing of texts, tensors or the model.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from worker.inference.packing import Indices, PackingLimits, pack, padded_tokens

WIDTH: Final = 64
"""Tokens of a row. Attention grows with it, and is at its fastest here (2 layers of 128: 48 and 64 are equal, 128 takes
7 % longer)."""
ONE_ROW: Final = 192
"""Up to so many tokens stand in one row of their own width: several rows would be half empty."""
STEP: Final = 16
"""Other widths of shared rows are multiples of this; a pass may be so much larger than with padding."""
SLOT_STEP: Final = 4
"""Texts of a row are counted in such steps: fewer shapes, and a head over three empty slots costs next to nothing."""
FULL: Final = 0.97
"""Real tokens among those of rows that are worth sharing."""
SLACK: Final = 1.04
"""Rows are at least `FULL`, so with this room a share of the texts' own tokens fits into the rows that it is given."""
DEEP: Final = 8
"""Of how many lengths it is tried whether the rest of a row can be filled by two more texts."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Where the texts of one forward pass stand: text i in row `row[i]`, from column `start[i]` on, as one of `slots`.

    The model's input is [rows, width], its logits [rows * slots, labels].
    """

    rows: int
    width: int
    slots: int
    row: NDArray[np.int64]
    start: NDArray[np.int64]
    slot: NDArray[np.int64]

    @property
    def tokens(self) -> int:
        return self.rows * self.width


def lay(lengths: Sequence[int] | NDArray[np.integer]) -> Layout:
    """The layout of one forward pass over at least one text: rows are filled in the order of the texts.

    Shared rows, or a row for each text, as long as the longest, where that takes fewer tokens by more than a `STEP`.
    """
    longest, total = int(max(lengths)), int(sum(lengths))
    narrowest = _rounded_up(longest, STEP)
    width = max(narrowest, _rounded_up(total, STEP) if total <= ONE_ROW else WIDTH)
    row, start, slot = [], [], []
    rows, column, texts = 0, width, 0
    most = 0
    for length in lengths:
        if column + length > width:
            rows, column, texts = rows + 1, 0, 0
        row.append(rows - 1)
        start.append(column)
        slot.append(texts)
        column += int(length)
        texts += 1
        most = max(most, texts)
    if rows * width > len(row) * longest + STEP:
        count = len(row)
        nowhere = np.zeros(count, dtype=np.int64)
        return Layout(count, longest, 1, np.arange(count), nowhere, nowhere)
    slots = _rounded_up(most, SLOT_STEP)
    return Layout(rows, width, slots, np.array(row), np.array(start), np.array(slot))


def row_tokens(lengths: NDArray[np.integer]) -> int:
    """Tokens that a forward pass over texts of these lengths, in this order, computes."""
    return lay(lengths.tolist()).tokens if lengths.size else 0


def whole_rows(tokens: int) -> int:
    """A budget of whole rows for so many tokens, with a little room: what is left over would be one more pass."""
    return _rounded_up(int(tokens * SLACK), WIDTH)


def pack_rows(lengths: Sequence[int] | NDArray[np.integer], limits: PackingLimits) -> list[Indices]:
    """Micro-batches as indices into `lengths`, in the order in which they fill rows; the most tokens first.

    Within `limits` up to a `STEP`, unless a single text exceeds them.
    """
    tokens = np.asarray(lengths, dtype=np.int64)
    if tokens.size == 0:
        return []
    if limits.max_batch_tokens < WIDTH:
        return pack(tokens, limits)
    if tokens.sum() <= min(ONE_ROW, limits.max_batch_tokens) and tokens.size <= limits.max_batch_size:
        return [np.argsort(-tokens, kind="stable")]
    shorts = np.flatnonzero(tokens <= WIDTH)
    rows = [shorts[row] for row in fill_rows(tokens[shorts].tolist(), limits.max_batch_size)]
    alone = np.flatnonzero(tokens > WIDTH)
    shared, rest = _worth_sharing(rows, tokens)
    padded = _padded(alone, tokens, limits)
    if rest:
        joined = _padded(np.concatenate([alone, *rest]), tokens, limits)
        if _cost(joined, tokens, limits) < _cost(padded, tokens, limits) + WIDTH * len(rest):
            padded = joined
        else:
            shared = rows
    return sorted([*_passes(shared, limits), *padded], key=lambda batch: int(tokens[batch].sum()), reverse=True)


def fill_rows(lengths: Sequence[int], most: int = WIDTH) -> list[list[int]]:
    """Indices of texts of at most `WIDTH` tokens, row by row: the longest that is left, and what fills up its row.

    At most `most` texts in a row. Sets of lengths are bits of a number, so that "which two lengths fill this gap" is
    one operation.
    """
    stock: list[list[int]] = [[] for _ in range(WIDTH + 1)]
    for index, length in enumerate(lengths):
        stock[length].append(index)
    there = sum(1 << length for length in range(1, WIDTH + 1) if stock[length])
    mirrored = sum(1 << (WIDTH - length) for length in range(1, WIDTH + 1) if stock[length])
    rows = []
    while there:
        row: list[int] = []
        space = WIDTH
        while there & ((2 << space) - 1) and len(row) < most:
            length = _next(there, mirrored, space) if row else there.bit_length() - 1
            row.append(stock[length].pop())
            space -= length
            if not stock[length]:
                there ^= 1 << length
                mirrored ^= 1 << (WIDTH - length)
        rows.append(row)
    return rows


def _next(there: int, mirrored: int, space: int) -> int:
    """A length that fits into `space`: one that leaves none, or what one or two others can fill; else the longest."""
    if there >> space & 1:
        return space
    pairs = there & (mirrored >> (WIDTH - space))
    if pairs:
        return pairs.bit_length() - 1
    fitting = there & ((2 << space) - 1)
    longest = fitting.bit_length() - 1
    for _ in range(DEEP):
        length = fitting.bit_length() - 1
        if length <= 0:
            break
        if there & (mirrored >> (WIDTH - (space - length))):
            return length
        fitting ^= 1 << length
    return longest


def _worth_sharing(rows: list[Indices], tokens: NDArray[np.int64]) -> tuple[list[Indices], list[Indices]]:
    """The fullest rows, as many as are full together, and the others."""
    rows = sorted(rows, key=lambda row: int(tokens[row].sum()), reverse=True)
    filled = np.cumsum([tokens[row].sum() for row in rows], dtype=np.int64)
    full = filled >= FULL * WIDTH * np.arange(1, len(rows) + 1)
    kept = int(np.flatnonzero(full)[-1]) + 1 if full.any() else 0
    return rows[:kept], rows[kept:]


def _padded(texts: Indices, tokens: NDArray[np.int64], limits: PackingLimits) -> list[Indices]:
    return [texts[batch] for batch in pack(tokens[texts], limits)]


def _cost(batches: Sequence[Indices], tokens: NDArray[np.int64], limits: PackingLimits) -> int:
    return sum(padded_tokens(tokens[batch]) + limits.pass_overhead for batch in batches)


def _passes(rows: list[Indices], limits: PackingLimits) -> list[Indices]:
    """Rows with as many texts as one another stand together: all have the slots of the one with the most."""
    rows = sorted(rows, key=len, reverse=True)
    most = limits.max_batch_tokens // WIDTH
    cuts, texts = [0], 0
    for number, row in enumerate(rows):
        if number > cuts[-1] and (number - cuts[-1] == most or texts + len(row) > limits.max_batch_size):
            cuts.append(number)
            texts = 0
        texts += len(row)
    return [np.concatenate(rows[first:last]) for first, last in pairwise([*cuts, len(rows)]) if last > first]


def _rounded_up(number: int, step: int) -> int:
    return -(-number // step) * step
