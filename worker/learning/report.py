"""One HTML file about a model's quality: everything inline, readable in light and dark, no script.

Owns how measures look; what they are is `worker.learning.metrics`'.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from worker.learning.extras import REPORTS, require
from worker.learning.metrics import Judged, calibration_bins, confusion_matrix, measure, risk_coverage

TEMPLATE = "report.html.j2"
INK, FAINT, ACCENT, WARN = "#010101", "#020202", "#030303", "#040404"
"""Stand-ins that drawing uses; in the file they become the page's own colours, so that figures follow its theme."""
COLOURS = {INK: "currentColor", FAINT: "var(--line)", ACCENT: "var(--accent)", WARN: "var(--warn)"}
CURVE_POINTS = 400


@dataclass(frozen=True)
class Subject:
    """What was judged, for the report's heading: the model or predictions, the data, the policy, as they were named."""

    model: str
    data: str
    policy: str | None


def write_report(path: Path, judged: Judged, subject: Subject) -> None:
    """Write the report. Raises ConfigError when the `learning` extra is missing."""
    require(REPORTS, purpose="a report")
    from jinja2 import Environment, FileSystemLoader

    environment = Environment(loader=FileSystemLoader(Path(__file__).parent), autoescape=True, trim_blocks=True)
    page = environment.get_template(TEMPLATE).render(
        subject=subject,
        values=measure(judged),
        confusion=_confusion_rows(judged),
        pairs=_label_counts(judged),
        reliability=reliability_figure(judged),
        risk=risk_coverage_figure(judged),
    )
    path.write_text(page, encoding="utf-8")


def reliability_figure(judged: Judged) -> str:
    """SVG: stated confidence against how often it was right, bin by bin, with the bins' sizes beneath."""
    bins = calibration_bins(judged)
    figure = _figure(height=4.4)
    upper, lower = figure.subplots(2, 1, sharex=True, gridspec_kw={"height_ratios": [4, 1], "hspace": 0.12})
    stated = [one.confidence for one in bins]
    upper.plot([0, 1], [0, 1], color=FAINT, linewidth=1.2, linestyle=(0, (4, 3)))
    for one in bins:
        upper.plot([one.confidence] * 2, [one.confidence, one.frequency], color=WARN, linewidth=2, alpha=0.6)
    right = [one.frequency for one in bins]
    upper.plot(stated, right, color=ACCENT, linewidth=1.4)
    sizes = [14 + 80 * one.count / max(one.count for one in bins) for one in bins]
    upper.scatter(stated, right, s=sizes, color=ACCENT, zorder=3, clip_on=False)
    upper.set(xlim=(0, 1), ylim=(0, 1), ylabel="share that was right")
    lower.bar(stated, [one.count for one in bins], width=0.035, color=ACCENT, alpha=0.5)
    lower.set(xlabel="stated probability", ylabel="count")
    lower.set_yscale("log")
    return _svg(figure)


def risk_coverage_figure(judged: Judged) -> str:
    """SVG: the error rate among the most confident texts as more of them are accepted."""
    coverage, risk = risk_coverage(judged.confidence, judged.top_wrong)
    chosen = np.unique(np.linspace(0, len(coverage) - 1, CURVE_POINTS).astype(int))
    figure = _figure(height=4.4)
    axes = figure.subplots()
    axes.plot(coverage[chosen], risk[chosen], color=ACCENT, linewidth=1.8)
    axes.fill_between(coverage[chosen], risk[chosen], color=ACCENT, alpha=0.12, linewidth=0)
    share = float(judged.accepted.mean())
    if share > 0:
        at = float(judged.top_wrong[judged.accepted].mean())
        axes.plot([share], [at], marker="o", markersize=8, color=WARN, clip_on=False, zorder=3)
        offset, side = ((-12, -3), "right") if share > 0.5 else ((12, -3), "left")
        label = f"now: {share:.1%} accepted"
        axes.annotate(label, (share, at), offset, textcoords="offset points", ha=side, color=INK)
    axes.set(xlim=(0, 1), ylim=(0, None), xlabel="coverage: share accepted", ylabel="share wrong among them")
    return _svg(figure)


def _figure(*, height: float) -> Any:
    import matplotlib
    from matplotlib.figure import Figure

    inks = ("text.color", "axes.labelcolor", "xtick.color", "ytick.color")
    style = dict.fromkeys(inks, INK) | {
        "axes.edgecolor": FAINT,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.grid": True,
        "grid.color": FAINT,
        "grid.linewidth": 0.6,
        "font.family": "sans-serif",
        "font.size": 10,
        "svg.fonttype": "none",
        "svg.hashsalt": "emostream",
    }
    matplotlib.rcParams.update(style)
    return Figure(figsize=(5.6, height), layout="constrained")


def _svg(figure: Any) -> str:
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    drawing = buffer.getvalue()
    drawing = drawing[drawing.index("<svg") :]
    for stand_in, colour in COLOURS.items():
        drawing = drawing.replace(stand_in, colour)
    return drawing


def _confusion_rows(judged: Judged) -> list[tuple[str, list[tuple[int, float]]]] | None:
    """Single-label: for each true label the counts by answer, each with its share of the row."""
    if judged.multi_label:
        return None
    counts = confusion_matrix(judged)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    return [
        (name, list(zip(counts[row].tolist(), shares[row].tolist(), strict=True)))
        for row, name in enumerate(judged.label_names)
    ]


def _label_counts(judged: Judged) -> dict[str, list[int]] | None:
    """Multi-label: true positives, false positives, false negatives of each label."""
    if not judged.multi_label:
        return None
    matrices = confusion_matrix(judged)
    return {
        name: [int(matrix[1, 1]), int(matrix[0, 1]), int(matrix[1, 0])]
        for name, matrix in zip(judged.label_names, matrices, strict=True)
    }
