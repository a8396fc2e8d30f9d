"""Token ids in memory, and the order in which they are fed: batches of similar length under a token budget.

Pure numpy; owns neither tokenizers nor models.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

POOL_BATCHES = 40
"""Texts are sorted by length within pools of this many batches: little padding, yet a new mixture in every epoch."""


@dataclass(frozen=True)
class EncodedTexts:
    """Token ids of n texts and targets float32 [n, labels]: a distribution (single-label) or 0/1 (multi-label)."""

    token_ids: list[list[int]]
    targets: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.token_ids)

    @property
    def lengths(self) -> NDArray[np.int64]:
        return np.fromiter((len(ids) for ids in self.token_ids), dtype=np.int64, count=len(self.token_ids))


def pack(order: Sequence[int] | NDArray[np.int64], lengths: NDArray[np.int64], *, budget: int) -> list[list[int]]:
    """Cut `order` into batches whose longest x count stays within `budget`; a longer text stands alone."""
    batches: list[list[int]] = []
    longest = 0
    for index in order:
        longest = max(longest, int(lengths[index]))
        if batches and longest * (len(batches[-1]) + 1) <= budget:
            batches[-1].append(int(index))
        else:
            batches.append([int(index)])
            longest = int(lengths[index])
    return batches


def epoch_batches(lengths: NDArray[np.int64], *, budget: int, rng: np.random.Generator) -> list[list[int]]:
    """Every position once, in shuffled batches of near-equal length."""
    order = rng.permutation(len(lengths))
    pool = max(1, int(POOL_BATCHES * budget / max(1.0, float(lengths.mean()))))
    batches: list[list[int]] = []
    for start in range(0, len(order), pool):
        part = order[start : start + pool]
        batches.extend(pack(part[np.argsort(lengths[part], kind="stable")], lengths, budget=budget))
    return [batches[index] for index in rng.permutation(len(batches))]


def sorted_batches(lengths: NDArray[np.int64], *, budget: int) -> Iterator[list[int]]:
    """Every position once, longest first, for inference."""
    yield from pack(np.argsort(-lengths, kind="stable"), lengths, budget=budget)


def padded(token_ids: Sequence[Sequence[int]], *, pad_id: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """`input_ids` and `attention_mask`, int64 [texts, longest], padded on the right."""
    width = max(len(ids) for ids in token_ids)
    ids = np.full((len(token_ids), width), pad_id, dtype=np.int64)
    mask = np.zeros((len(token_ids), width), dtype=np.int64)
    for row, tokens in enumerate(token_ids):
        ids[row, : len(tokens)] = tokens
        mask[row, : len(tokens)] = 1
    return ids, mask
