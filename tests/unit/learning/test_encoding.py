from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from worker.learning.encoding import epoch_batches, pack, padded

LENGTHS = st.lists(st.integers(min_value=1, max_value=60), min_size=1, max_size=200)


@given(lengths=LENGTHS, budget=st.integers(min_value=8, max_value=300), seed=st.integers(0, 5))
def test_an_epoch_holds_every_text_once_within_the_budget(lengths: list[int], budget: int, seed: int) -> None:
    """Batches are a partition; only a single text may exceed the budget."""
    sizes = np.array(lengths)

    batches = epoch_batches(sizes, budget=budget, rng=np.random.default_rng(seed))

    assert sorted(index for batch in batches for index in batch) == list(range(len(lengths)))
    assert all(len(batch) == 1 or sizes[batch].max() * len(batch) <= budget for batch in batches)


def test_pack_starts_a_batch_when_the_next_text_does_not_fit() -> None:
    """Lengths 4, 4, 5 under a budget of 10: the five would widen the batch to fifteen."""
    assert pack([0, 1, 2], np.array([4, 4, 5]), budget=10) == [[0, 1], [2]]


def test_padding_is_masked() -> None:
    """Short rows are filled on the right and the mask says so."""
    ids, mask = padded([[5, 6, 7], [8]], pad_id=1)

    assert ids.tolist() == [[5, 6, 7], [8, 1, 1]]
    assert mask.tolist() == [[1, 1, 1], [1, 0, 0]]
