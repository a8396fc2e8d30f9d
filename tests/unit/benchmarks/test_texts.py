"""What the benchmarks send."""

from __future__ import annotations

from tests.benchmarks.texts import distinct, repeating


def test_texts_are_as_many_as_wanted_and_all_different() -> None:
    """Also when there are more than the demo has; and the same at each call."""
    texts = distinct(5_000)

    assert (5_000, 5_000) == (len(texts), len(set(texts)))
    assert texts == distinct(5_000)


def test_fewer_texts_are_the_first_of_more() -> None:
    """Contenders with fewer messages get texts of the same kind."""
    assert distinct(3_000) == distinct(4_000)[:3_000]


def test_a_repeating_stream_has_its_share_of_texts_that_came_before() -> None:
    """And is as long as the other."""
    texts = distinct(1_000)

    sent = repeating(texts, 0.3)

    assert (1_000, 700) == (len(sent), len(set(sent)))
