"""The figures of a report, each as SVG: risk over coverage, reliability, thresholds of labels, what a review buys."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from worker.learning.metrics import Judged, calibration_bins
from worker.learning.report.drawing import ACCENT, FAINT, INK, ON_CARD, QUIET, WARN, as_svg, new_figure
from worker.learning.selective import TEXTS_OF_COST, cost_curve, risk_coverage

Numbers = NDArray[np.float64]

CURVE_POINTS = 400
DASHED = (0, (4, 3))
SMOOTH_FROM = 20
"""Fewer accepted texts than this make the left end of the curve jump; it is left out."""


@dataclass(frozen=True)
class Selection:
    """What a risk-coverage figure shows: `confidence` (no number: never accepted) and `loss` [n], and where the
    decisions stand: `coverage` and `risk`, its upper `bound`, and the `target` that is promised."""

    confidence: Numbers
    loss: Numbers
    coverage: float
    risk: float | None
    bound: float | None = None
    target: float | None = None


@dataclass(frozen=True)
class LabelRange:
    """Where a label's texts lie: the middle nine tenths and the median of their scores (None without texts), and the
    label's thresholds."""

    name: str
    low: float | None
    middle: float | None
    high: float | None
    on: float | None
    off: float | None


def risk_coverage_figure(selection: Selection) -> str:
    """The error rate among the most confident texts as more of them are accepted; what is promised as a line."""
    coverage, risk = risk_coverage(selection.confidence, selection.loss)
    chosen = _thinned(np.flatnonzero((np.arange(1, len(coverage) + 1) >= SMOOTH_FROM) & _reachable(selection)))
    figure = new_figure(height=4.4)
    axes = figure.subplots()
    axes.plot(coverage[chosen], risk[chosen], color=ACCENT, linewidth=1.8)
    axes.fill_between(coverage[chosen], risk[chosen], color=ACCENT, alpha=0.12, linewidth=0)
    if selection.target is not None:
        axes.axhline(selection.target, color=WARN, linewidth=1.2, linestyle=DASHED)
        axes.annotate(
            f"promised: at most {selection.target:.3g}",
            (0, selection.target),
            (4, 5),
            textcoords="offset points",
            color=WARN,
        )
    highest = max([0.0, *risk[chosen].tolist(), selection.target or 0.0, selection.bound or 0.0])
    if selection.risk is not None and selection.coverage > 0:
        _mark(axes, selection)
    axes.set(xlim=(0, 1), ylim=(0, 1.12 * highest or 1), xlabel="coverage: share accepted", ylabel="risk among them")
    return as_svg(figure)


def reliability_figure(after: Judged, before: Judged | None = None) -> str:
    """Stated probability against how often it was right, bin by bin, before and after; the bins' sizes beneath."""
    figure = new_figure(height=4.4)
    upper, lower = figure.subplots(2, 1, sharex=True, gridspec_kw={"height_ratios": [4, 1], "hspace": 0.12})
    upper.plot([0, 1], [0, 1], color=FAINT, linewidth=1.2, linestyle=DASHED)
    if before is not None:
        bins = calibration_bins(before)
        stated, right = [one.confidence for one in bins], [one.frequency for one in bins]
        upper.plot(stated, right, color=QUIET, linewidth=1.2, marker="o", markersize=4, mfc="none", label="before")
    bins = calibration_bins(after)
    stated, right = [one.confidence for one in bins], [one.frequency for one in bins]
    if before is None:
        upper.vlines(stated, np.minimum(stated, right), np.maximum(stated, right), color=WARN, linewidth=2, alpha=0.6)
    upper.plot(stated, right, color=ACCENT, linewidth=1.4, label="after" if before is not None else None)
    largest = max(one.count for one in bins)
    sizes = [14 + 80 * one.count / largest for one in bins]
    upper.scatter(stated, right, s=sizes, color=ACCENT, zorder=3, clip_on=False)
    if before is not None:
        upper.legend(loc="upper left")
    upper.set(xlim=(0, 1), ylim=(0, 1), ylabel="share that was right")
    lower.bar(stated, [one.count for one in bins], width=0.035, color=ACCENT, alpha=0.5)
    lower.set(xlabel="stated probability", ylabel="count")
    lower.set_yscale("log")
    return as_svg(figure)


def thresholds_figure(labels: Sequence[LabelRange]) -> str:
    """Every label's threshold over the range in which its texts' scores lie; a lighter stretch where it is unsure."""
    figure = new_figure(height=1.0 + 0.26 * len(labels))
    axes = figure.subplots()
    for place, label in enumerate(labels):
        if label.low is not None:
            axes.plot(
                [label.low, label.high], [place, place], color=ACCENT, linewidth=6, alpha=0.25, solid_capstyle="round"
            )
            axes.plot([label.middle], [place], color=ACCENT, marker="o", markersize=4)
        if label.on is not None and label.off is not None:
            axes.plot([label.off, label.on], [place] * 2, color=WARN, linewidth=6, alpha=0.35, solid_capstyle="butt")
        if label.on is not None:
            axes.plot([label.on], [place], color=WARN, marker="|", markersize=13, markeredgewidth=2.2)
        else:
            axes.annotate("never", (1, place), (-4, -3), textcoords="offset points", ha="right", color=WARN, fontsize=9)
    axes.set_yticks(range(len(labels)), [label.name for label in labels])
    axes.invert_yaxis()
    axes.grid(visible=False, axis="y")
    axes.set(xlim=(0, 1), xlabel="score")
    return as_svg(figure)


def cost_figure(selection: Selection) -> str:
    """Errors let through against reviews, both per 1 000 texts, as the threshold moves."""
    reviews, errors = cost_curve(selection.confidence, selection.loss)
    reachable = np.append(_reachable(selection)[::-1], True)
    chosen = _thinned(np.flatnonzero(reachable))
    figure = new_figure(height=4.4)
    axes = figure.subplots()
    axes.plot(reviews[chosen], errors[chosen], color=ACCENT, linewidth=1.8)
    axes.fill_between(reviews[chosen], errors[chosen], color=ACCENT, alpha=0.12, linewidth=0)
    if selection.risk is not None:
        at = (TEXTS_OF_COST * (1 - selection.coverage), TEXTS_OF_COST * selection.coverage * selection.risk)
        axes.plot(*at, marker="o", markersize=8, color=WARN, clip_on=False, zorder=3)
        side, offset = ("right", (-12, 8)) if at[0] > TEXTS_OF_COST / 2 else ("left", (10, 8))
        text = f"{at[0]:.0f} reviews, {at[1]:.1f} errors"
        axes.annotate(text, at, offset, textcoords="offset points", ha=side, color=INK, bbox=ON_CARD)
    highest = float(errors[chosen].max(initial=0.0))
    axes.set(xlim=(0, TEXTS_OF_COST), ylim=(0, 1.12 * highest or 1))
    axes.set(xlabel="reviews per 1 000 texts", ylabel="errors let through per 1 000 texts")
    return as_svg(figure)


def _mark(axes: Any, selection: Selection) -> None:
    """The point where the decisions stand, with a bar up to the bound of its risk."""
    share, at = selection.coverage, selection.risk
    if selection.bound is not None and at is not None:
        axes.plot([share, share], [at, selection.bound], color=WARN, linewidth=2, alpha=0.7)
    axes.plot([share], [at], marker="o", markersize=8, color=WARN, clip_on=False, zorder=3)
    offset, side = ((-12, -3), "right") if share > 0.5 else ((12, -3), "left")
    words = f"now: {share:.1%} accepted"
    axes.annotate(words, (share, at), offset, textcoords="offset points", ha=side, color=INK, bbox=ON_CARD)


def _reachable(selection: Selection) -> NDArray[np.bool_]:
    """Whether so many texts can be accepted at all by moving the threshold, for k = 1 … n."""
    return np.arange(1, len(selection.loss) + 1) <= int((~np.isnan(selection.confidence)).sum())


def _thinned(places: NDArray[np.intp]) -> NDArray[np.intp]:
    if len(places) <= CURVE_POINTS:
        return places
    return np.take(places, np.unique(np.linspace(0, len(places) - 1, CURVE_POINTS).astype(int)))
