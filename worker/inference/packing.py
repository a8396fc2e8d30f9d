"""Which texts share a forward pass: length-sorted micro-batches under a padded-token budget.

Pure: lengths in, indices out. Knows nothing of texts, tensors or the model; it owns no order, so whoever asks puts
the results back by index.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Indices = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class PackingLimits:
    """What one forward pass may hold, and what it costs before its first token.

    `max_batch_tokens` bounds longest x count, `max_batch_size` the count. `pass_overhead` is the price of one more
    pass in tokens: below it, padding is cheaper than another pass.
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
    """
    tokens = np.asarray(lengths, dtype=np.int64)
    if tokens.size == 0:
        return []
    order = np.argsort(tokens, kind="stable")
    distinct, starts = np.unique(tokens[order], return_index=True)
    ends = np.append(starts[1:], tokens.size)
    batches: list[Indices] = []
    for first, last in _cheapest_groups(distinct, starts, ends, limits):
        batches += _even_parts(order[starts[first] : ends[last]], capacity=int(limits.capacity(distinct[last])))
    return sorted(batches, key=lambda batch: padded_tokens(tokens[batch]), reverse=True)


def padded_tokens(lengths: NDArray[np.integer]) -> int:
    """Tokens that a forward pass over texts of these lengths computes: longest x count."""
    return int(lengths.max()) * lengths.size if lengths.size else 0


def _cheapest_groups(
    distinct: NDArray[np.int64], starts: NDArray[np.intp], ends: NDArray[np.intp], limits: PackingLimits
) -> list[tuple[int, int]]:
    """Ranges (first, last) of neighbouring distinct lengths that are padded together, from the longest down."""
    count = len(distinct)
    capacity = limits.capacity(distinct)
    # A group reaches down by one pass at most: more of the shorter texts would only be padded for nothing.
    lowest = np.searchsorted(starts, starts - capacity)
    best = np.zeros(count + 1)
    cut = np.zeros(count, dtype=np.intp)
    for last in range(count):
        low = lowest[last]
        texts = ends[last] - starts[low : last + 1]
        passes = -(-texts // capacity[last])
        cost = best[low : last + 1] + texts * distinct[last] + passes * limits.pass_overhead
        cheapest = cost.argmin()
        cut[last] = low + cheapest
        best[last + 1] = cost[cheapest]
    groups = []
    last = count - 1
    while last >= 0:
        groups.append((int(cut[last]), last))
        last = int(cut[last]) - 1
    return groups


def _even_parts(indices: Indices, *, capacity: int) -> list[Indices]:
    """As few parts as the capacity allows, of sizes that differ by at most one: no pass is left nearly empty."""
    return list(np.array_split(indices, -(-indices.size // capacity)))
