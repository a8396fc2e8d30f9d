from __future__ import annotations

from collections.abc import Iterable
from itertools import combinations, pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.inference.packing import PackingLimits, pack, padded_tokens

LENGTHS = st.lists(st.integers(min_value=1, max_value=600), max_size=300)
LIMITS = st.builds(
    PackingLimits,
    max_batch_tokens=st.integers(min_value=1, max_value=4096),
    max_batch_size=st.integers(min_value=1, max_value=300),
    pass_overhead=st.integers(min_value=0, max_value=600),
)


def skewed(name: str, count: int) -> np.ndarray:
    """Lengths as in Beam's batching benchmark: four distributions, cut to 1..500."""
    random = np.random.default_rng(42)
    drawn = {
        "pareto": lambda: random.pareto(1.2, count) + 1,
        "lognormal": lambda: random.lognormal(np.log(50), 0.8, count),
        "bimodal": lambda: np.where(
            random.random(count) < 0.7, random.normal(20, 6, count), random.normal(200, 60, count)
        ),
        "low variance": lambda: random.normal(100, 10, count),
    }[name]()
    return np.clip(drawn.astype(int), 1, 500)


def padding_ratio(lengths: np.ndarray, limits: PackingLimits) -> float:
    return sum(padded_tokens(lengths[batch]) for batch in pack(lengths, limits)) / lengths.sum()


@given(lengths=LENGTHS, limits=LIMITS)
def test_every_text_is_packed_once(lengths: list[int], limits: PackingLimits) -> None:
    """Whatever the lengths and limits, each text stands in exactly one micro-batch."""
    batches = pack(lengths, limits)

    assert list(range(len(lengths))) == sorted(index for batch in batches for index in batch.tolist())


@given(lengths=LENGTHS, limits=LIMITS)
def test_limits_hold(lengths: list[int], limits: PackingLimits) -> None:
    """No micro-batch exceeds the budget or the size, except a single text that is longer than the budget."""
    tokens = np.array(lengths, dtype=int)

    batches = pack(lengths, limits)

    assert all(batch.size <= limits.max_batch_size for batch in batches)
    assert all(batch.size == 1 or padded_tokens(tokens[batch]) <= limits.max_batch_tokens for batch in batches)


@given(lengths=LENGTHS, limits=LIMITS)
def test_micro_batches_do_not_interleave(lengths: list[int], limits: PackingLimits) -> None:
    """Micro-batches are ranges of the sorted lengths: none holds both a shorter and a longer text than another."""
    ranges = sorted((min(lengths[i] for i in batch), max(lengths[i] for i in batch)) for batch in pack(lengths, limits))

    assert all(before[1] <= after[0] for before, after in pairwise(ranges))


@given(lengths=LENGTHS, limits=LIMITS)
def test_largest_first(lengths: list[int], limits: PackingLimits) -> None:
    """The micro-batch with the most padded tokens runs first, so that workers end together."""
    sizes = [padded_tokens(np.array(lengths)[batch]) for batch in pack(lengths, limits)]

    assert sizes == sorted(sizes, reverse=True)


@given(lengths=st.lists(st.integers(min_value=1, max_value=600), min_size=1, max_size=8, unique=True), limits=LIMITS)
def test_cheapest_cut(lengths: list[int], limits: PackingLimits) -> None:
    """No other way to cut the sorted lengths costs fewer padded tokens and overhead together."""
    tokens = np.sort(np.array(lengths))

    def cost(batches: Iterable[np.ndarray]) -> int:
        return sum(padded_tokens(batch) + limits.pass_overhead for batch in batches)

    def allowed(batches: list[np.ndarray]) -> bool:
        return all(
            batch.size == 1 or (batch.size <= limits.max_batch_size and padded_tokens(batch) <= limits.max_batch_tokens)
            for batch in batches
        )

    every_cut = (
        np.split(tokens, cuts) for count in range(tokens.size) for cuts in combinations(range(1, tokens.size), count)
    )
    cheapest = min(cost(batches) for batches in every_cut if allowed(batches))

    assert cheapest == cost(np.array(lengths)[batch] for batch in pack(lengths, limits))


def test_nothing_to_pack() -> None:
    """No text, no forward pass."""
    assert pack([], PackingLimits(1024, 256)) == []


@pytest.mark.parametrize("name", ["pareto", "lognormal", "bimodal", "low variance"])
def test_padding_on_skewed_lengths(name: str) -> None:
    """On Beam's four distributions windows of 512 compute at most 1.1 tokens for each real one, far below Beam's own
    ratios on the first and never above them."""
    beams = {"pareto": 3.19, "lognormal": 1.079, "bimodal": 1.075, "low variance": 1.010}[name]
    lengths = skewed(name, 10_240).reshape(20, 512)

    ratio = np.mean([padding_ratio(window, PackingLimits(1024, 256)) for window in lengths])

    assert ratio <= min(beams, 1.1)


def test_overhead_joins_small_groups() -> None:
    """Where a pass costs more than the padding it would save, neighbouring lengths share one."""
    lengths = [10, 11, 12]

    assert len(pack(lengths, PackingLimits(1024, 256, pass_overhead=0))) == 3
    assert len(pack(lengths, PackingLimits(1024, 256, pass_overhead=32))) == 1


def test_passes_of_one_length_are_even() -> None:
    """Texts of one length that need several passes are spread evenly over them."""
    assert [35, 35, 34] == [batch.size for batch in pack([20] * 104, PackingLimits(1024, 256))]


@pytest.mark.parametrize("values", [(0, 1, 0), (1, 0, 0), (1, 1, -1)])
def test_impossible_limits(values: tuple[int, int, int]) -> None:
    """Limits that nothing fits into are refused where they are made."""
    with pytest.raises(ValueError, match="at least"):
        PackingLimits(*values)
