"""Numbers as the tables show them: medians with their spread, percentiles, ratios. Pure."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from statistics import median


def spread(values: Sequence[float]) -> str:
    """Median (least-most) of the rounds."""
    return f"{number(median(values))} ({number(min(values))}-{number(max(values))})"


def number(value: float) -> str:
    """As many digits as are worth reading: 12 345, 123, 12.3, 1.23, 0.012."""
    if value == 0 or not math.isfinite(value):
        return f"{value:g}"
    decimals = max(0, 2 - math.floor(math.log10(abs(value)))) if abs(value) < 100 else 0
    return f"{value:,.{decimals}f}".replace(",", " ")


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which `share` (0 to 1) of them lie, interpolated between neighbours."""
    ordered = sorted(values)
    place = (len(ordered) - 1) * share
    below = math.floor(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (place - below) * (ordered[above] - ordered[below])


def ratio(values: Sequence[float], base: Sequence[float]) -> float:
    """How many times the base's median."""
    return median(values) / median(base)


def rate_of(moments_ms: Iterable[int]) -> float:
    """Outcomes a second, from a moment in the first tenth of their time to the last one's.

    Outcomes of a wave come all at once, at its end: counting begins behind the last outcome of that first tenth, so
    that whole waves are divided by their whole time. Raises ValueError where there are too few for that.
    """
    ordered = sorted(moments_ms)
    if not ordered or ordered[0] == ordered[-1]:
        raise ValueError("all outcomes have the same timestamp: too few for a rate")
    counted = bisect_right(ordered, ordered[0] + (ordered[-1] - ordered[0]) / 10)
    return (len(ordered) - counted) / (ordered[-1] - ordered[counted - 1]) * 1000


def markdown(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table as the docs have it, with a line end."""
    lines = [columns, ["---"] * len(columns), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
