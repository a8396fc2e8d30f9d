"""Which texts share a forward pass: length-sorted micro-batches under a budget of computed tokens.

Pure: lengths in, indices out. Knows nothing of texts, tensors or the model; it owns no order, so whoever asks puts
the results back by index.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

Indices = NDArray[np.intp]

STEPS: Final = ((8, 256), (4, 128))
"""Rows of a step, and from how many texts on."""
STEPS_OF_A_PASS: Final = 4
"""Texts so long that a pass has fewer steps than this are cut row by row: their padding costs more than a shape."""


@dataclass(frozen=True, slots=True)
class PackingLimits:
    """What one forward pass may hold, and what it costs before its first token.

    `max_batch_tokens` bounds the computed tokens (padded: longest x count), `max_batch_size` the count. `pass_overhead`
    is the price of one more pass in tokens: below it, padding is cheaper than another pass.
    """

    max_batch_tokens: int
    max_batch_size: int
    pass_overhead: int = 32

    def __post_init__(self) -> None:
        if min(self.max_batch_tokens, self.max_batch_size) < 1 or self.pass_overhead < 0:
            raise ValueError("max_batch_tokens and max_batch_size must be at least 1, pass_overhead at least 0")

    def capacity(self, longest: NDArray[np.int64]) -> NDArray[np.int64]:
        """How many texts of at most this length fit; at least one: a text above the budget goes alone."""
        fitting = self.max_batch_tokens // np.maximum(longest, 1)
        return np.asarray(np.clip(fitting, 1, self.max_batch_size), dtype=np.int64)


def pack(lengths: Sequence[int] | NDArray[np.integer], limits: PackingLimits) -> list[Indices]:
    """Micro-batches as indices into `lengths`, the most padded tokens first; every index once.

    Texts are sorted by length and cut where padding plus the passes' overhead is least (dynamic programming over the
    distinct lengths, as in optimal one-dimensional clustering). Within `limits` unless a single text exceeds them.

    Many short texts are cut in steps of several rows. A backend prepares itself for each shape it has not seen, which
    takes a small model as long as half a pass; with steps there are a third as many shapes for half a percent of
    padding.
    """
    tokens = np.asarray(lengths, dtype=np.int64)
    if tokens.size == 0:
        return []
    order = np.argsort(-tokens, kind="stable")
    step, stepped = _step(tokens, limits)
    rounded = _by_step(tokens[order], step=step, stepped=stepped)
    distinct, starts = np.unique(-rounded, return_index=True)
    longest = -distinct
    ends = np.append(starts[1:], tokens.size)
    capacity = limits.capacity(longest)
    capacity = np.where(capacity >= step, capacity // step * step, capacity)
    batches: list[Indices] = []
    for first, last in _cheapest_groups(longest, starts, ends, capacity, limits.pass_overhead):
        batches += _even_parts(order[starts[first] : ends[last]], capacity=int(capacity[first]), step=step)
    return sorted(batches, key=lambda batch: padded_tokens(tokens[batch]), reverse=True)


def padded_tokens(lengths: NDArray[np.integer]) -> int:
    """Tokens that a forward pass over texts of these lengths computes: longest x count."""
    return int(lengths.max()) * lengths.size if lengths.size else 0


def _step(tokens: NDArray[np.int64], limits: PackingLimits) -> tuple[int, int]:
    """How many rows a step has, and how many of the shortest texts are cut in steps."""
    for step, least in STEPS:
        stepped = int((limits.capacity(tokens) >= STEPS_OF_A_PASS * step).sum())
        if stepped >= least:
            return step, stepped
    return 1, 0


def _by_step(descending: NDArray[np.int64], *, step: int, stepped: int) -> NDArray[np.int64]:
    """Lengths as the longest one of their step, so that all of a step stay together."""
    rounded = descending.copy()
    steps = rounded[rounded.size - stepped :]
    firsts = np.arange(steps.size) // step * step
    steps[:] = steps[firsts]
    return rounded


def _cheapest_groups(
    longest: NDArray[np.int64],
    starts: NDArray[np.intp],
    ends: NDArray[np.intp],
    capacity: NDArray[np.int64],
    pass_overhead: int,
) -> list[tuple[int, int]]:
    """Ranges (first, last) of neighbouring distinct lengths, from the longest down, that are padded together."""
    count = len(longest)
    # A group reaches down by one pass at most: more of the shorter texts would only be padded for nothing.
    highest = np.searchsorted(ends, ends + capacity, side="right")
    best = np.zeros(count + 1)
    cut = np.zeros(count, dtype=np.intp)
    for first in range(count - 1, -1, -1):
        high = max(int(highest[first]), first + 1)
        texts = ends[first:high] - starts[first]
        passes = -(-texts // capacity[first])
        cost = best[first + 1 : high + 1] + texts * longest[first] + passes * pass_overhead
        cheapest = cost.argmin()
        cut[first] = first + cheapest
        best[first] = cost[cheapest]
    groups = []
    first = 0
    while first < count:
        groups.append((first, int(cut[first])))
        first = int(cut[first]) + 1
    return groups


def _even_parts(indices: Indices, *, capacity: int, step: int) -> list[Indices]:
    """As few parts as the capacity allows, in whole steps that are shared out evenly: no pass is left nearly empty."""
    if capacity < step:
        step = 1
    steps = -(-indices.size // step)
    parts = -(-steps // (capacity // step))
    return np.split(indices, [-(-steps * part // parts) * step for part in range(1, parts)])
