"""Numbers of the benchmarks: what is made of rounds."""

from __future__ import annotations

import pytest

from tests.benchmarks.figures import markdown, number, percentile, rate_of, ratio, spread


@pytest.mark.parametrize(
    ("value", "shown"),
    [(12_345.6, "12 346"), (123.4, "123"), (12.34, "12.3"), (1.234, "1.23"), (0.01234, "0.0123"), (0, "0")],
)
def test_a_number_has_the_digits_worth_reading(value: float, shown: str) -> None:
    """Three of them, and thousands apart."""
    assert shown == number(value)


def test_a_spread_is_the_median_with_the_least_and_the_most() -> None:
    """Of three rounds, the middle one counts."""
    assert "20.0 (10.0-40.0)" == spread([40.0, 10.0, 20.0])


def test_a_percentile_lies_between_its_neighbours() -> None:
    """Half of 1, 2, 3, 4 lies below 2.5; all of it below 4."""
    values = [4.0, 1.0, 3.0, 2.0]

    assert [1.0, 2.5, 4.0] == [percentile(values, share) for share in (0.0, 0.5, 1.0)]


def test_a_ratio_is_that_of_the_medians() -> None:
    """One slow round changes nothing."""
    assert 2.0 == ratio([20.0, 20.0, 1.0], [10.0, 10.0, 500.0])


def test_the_rate_of_single_outcomes_is_their_number_over_their_time() -> None:
    """One every millisecond is a thousand a second."""
    assert 1000.0 == rate_of(range(5_000, 6_001))


def test_the_rate_of_waves_counts_whole_waves_over_their_whole_time() -> None:
    """100 outcomes each second, written within a few milliseconds: the first wave is the zero and does not count."""
    waves = [wave * 1000 + spread_ms for wave in range(6) for spread_ms in range(5) for _ in range(20)]

    assert 100.0 == pytest.approx(rate_of(waves), rel=0.001)


@pytest.mark.parametrize("moments", [[], [7, 7, 7]])
def test_outcomes_of_one_moment_have_no_rate(moments: list[int]) -> None:
    """Rather than an endless one."""
    with pytest.raises(ValueError, match="too few"):
        rate_of(moments)


def test_a_table_is_markdown() -> None:
    """A line of columns, a rule, a line for each row."""
    assert "| a | b |\n| --- | --- |\n| 1 | 2 |\n" == markdown(("a", "b"), [("1", "2")])
