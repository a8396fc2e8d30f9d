from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.dead_letters.replayed import MAX_METADATA_BYTES, Replayed, TooScattered

SPANS = st.lists(st.tuples(st.integers(0, 400), st.integers(1, 40)), max_size=30)


@given(below=st.integers(0, 50), spans=SPANS)
def test_spans_in_any_order(below: int, spans: list[tuple[int, int]]) -> None:
    """It holds exactly what was put into it, and survives being committed."""
    replayed = Replayed(below)
    for start, length in spans:
        replayed = replayed.with_span(start, start + length)
    held = {offset for start, length in spans for offset in range(start, start + length)} | set(range(below))

    read = Replayed.read(replayed.below, replayed.metadata())

    assert replayed == read
    assert [offset for offset in range(500) if offset in held] == [offset for offset in range(500) if offset in read]


def test_without_gaps_there_is_nothing_to_remember() -> None:
    """The offset alone says it, as for any consumer."""
    replayed = Replayed(3).with_span(5, 7).with_span(3, 5)

    assert (7, "") == (replayed.below, replayed.metadata())


def test_a_thousand_single_letters_fit() -> None:
    """Picked at random out of a hundred thousand."""
    replayed = Replayed(0)
    for offset in random.Random(1).sample(range(1, 100_000), 1_000):
        replayed = replayed.with_span(offset, offset + 1)

    assert len(replayed.metadata()) <= MAX_METADATA_BYTES


def test_too_many_single_letters() -> None:
    """What could not be remembered is not sent: one line says what to do."""
    chosen = sorted(random.Random(1).sample(range(1, 1_000_000, 2), 20_000))
    replayed = Replayed(0, tuple((offset, offset + 1) for offset in chosen))

    with pytest.raises(TooScattered, match="fewer filters"):
        replayed.metadata()


@pytest.mark.parametrize("metadata", ["x", "2:abc", "1:", "1:é", "1:abc", "1:" + "0" * 100])
def test_metadata_of_others(metadata: str) -> None:
    """Whoever else commits under the group is found out."""
    with pytest.raises(ValueError, match=r"unknown format|damaged|cut off"):
        Replayed.read(0, metadata)
