"""Draws the figures of docs/decisions.md from what `make bench-decisions` measured; the same input, the same bytes.

`python -m tests.benchmarks.decision_figures docs/figures`, behind `make docs-figures`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import typer
from matplotlib.axes import Axes
from matplotlib.figure import Figure

MODEL, TINY = "builtin:emotion", "builtin:emotion-tiny"
DEFAULT, EMPIRICAL = "LTT fixed sequence (default)", "empirical (promises nothing)"
INK, GREY, RULE = "#1f2933", "#6b7280", "#e3e7ec"
BLUE, ORANGE, GREEN = "#1769aa", "#d9730d", "#2f7d4f"
TARGETS = {0.05: (BLUE, "o"), 0.02: (GREEN, "s"), 0.01: (ORANGE, "D")}
ALLOWED = 0.1
STYLE = {
    "svg.hashsalt": "emostream",
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.size": 9,
    "text.color": INK,
    "axes.edgecolor": GREY,
    "axes.labelcolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.frameon": False,
}


def main(folder: Path) -> None:
    """Write the SVG files into the folder that holds decisions.json."""
    found = json.loads((folder / "decisions.json").read_text(encoding="utf-8"))
    mpl.rcParams.update(STYLE)
    figures = {
        "promises": promises(found[MODEL]["lines"]),
        "calibrations": calibrations(found[MODEL]),
        "cost": cost({name: found[name] for name in (MODEL, TINY)}),
        "drift": drift(found["drift"]["psi"]),
    }
    for name, figure in figures.items():
        path = folder / f"{name}.svg"
        figure.savefig(path, format="svg", metadata={"Date": None, "Creator": None}, facecolor="white")
        path.write_text("\n".join(line.rstrip() for line in path.read_text().splitlines()) + "\n")


def promises(lines: Sequence[dict[str, Any]]) -> Figure:
    """For each method how often its promise was broken, and what it accepts."""
    methods = list(dict.fromkeys(line["method"] for line in lines))[::-1]
    figure = Figure(figsize=(8.2, 3.4), layout="constrained")
    broken, coverage = figure.subplots(1, 2, sharey=True)
    for target, (colour, shape) in TARGETS.items():
        mine = {line["method"]: line for line in lines if line["target"] == target}
        kept = [(place, mine[name]) for place, name in enumerate(methods) if mine[name]["without"] < 1.0]
        places = [place for place, _ in kept]
        said = f"risk at most {100 * target:g} %"
        broken.plot([line["broken"] for _, line in kept], places, shape, color=colour, label=said, alpha=0.85)
        coverage.plot([line["coverage"] for _, line in kept], places, shape, color=colour, alpha=0.85)
    broken.axvline(ALLOWED, color=INK, linewidth=1, linestyle=(0, (4, 3)))
    broken.text(ALLOWED + 0.008, len(methods) - 0.45, "allowed", fontsize=8)
    broken.set_yticks(range(len(methods)), [name.replace("`", "") for name in methods])
    broken.set_xlabel("share of calibrations whose promise was broken")
    coverage.set_xlabel("mean coverage")
    broken.set_ylim(-0.6, len(methods) - 0.1)
    broken.set_xlim(-0.02, 0.6)
    for axes in (broken, coverage):
        axes.grid(axis="both", color=RULE)
        axes.set_axisbelow(True)
    figure.legend(loc="outside upper right", ncols=len(TARGETS), fontsize=8)
    return figure


def calibrations(model: dict[str, Any]) -> Figure:
    """Each calibration at 2 % as a point on the model's risk-coverage curve."""
    figure = Figure(figsize=(7.2, 3.4), layout="constrained")
    axes: Axes = figure.subplots()
    curve = np.array(model["curve"])
    axes.plot(curve[:, 0], 100 * curve[:, 1], color=GREY, linewidth=1.2, label="the model's risk at each coverage")
    for method, colour, said in (
        (EMPIRICAL, ORANGE, "threshold that was right on the calibration texts"),
        (DEFAULT, BLUE, "threshold with a guarantee (LTT)"),
    ):
        points = np.array(model["cloud"][method])
        axes.plot(points[:, 0], 100 * points[:, 1], "o", color=colour, alpha=0.35, markersize=4, label=said, mew=0)
    axes.axhline(2.0, color=INK, linewidth=1, linestyle=(0, (4, 3)))
    axes.text(0.852, 2.06, "target: 2 %", fontsize=8)
    axes.set_xlim(0.85, 0.97)
    axes.set_ylim(0.0, 4.0)
    axes.set_xlabel("coverage: share of texts accepted")
    axes.set_ylabel("true risk, %")
    axes.grid(color=RULE)
    axes.legend(loc="upper left", fontsize=8)
    return figure


def cost(models: dict[str, dict[str, Any]]) -> Figure:
    """What a review buys: reviews for each thousand texts against wrong answers let through."""
    figure = Figure(figsize=(7.2, 3.4), layout="constrained")
    axes: Axes = figure.subplots()
    for (name, model), colour in zip(models.items(), (BLUE, ORANGE), strict=True):
        coverage, risk = np.array(model["curve"]).T
        axes.plot(1000 * (1 - coverage), 1000 * coverage * risk, color=colour, linewidth=1.4, label=name)
        for line in model["lines"]:
            if line["method"] == DEFAULT:
                x, y = 1000 * (1 - line["coverage"]), 1000 * line["coverage"] * line["risk"]
                axes.plot(x, y, "o", color=colour, markersize=5)
                axes.annotate(f"{100 * line['target']:g} %", (x, y), (4, 4), textcoords="offset points", fontsize=8)
    axes.set_xlim(0, 500)
    axes.set_ylim(0, None)
    axes.set_xlabel("texts sent to review, of 1 000")
    axes.set_ylabel("wrong answers let through, of 1 000")
    axes.grid(color=RULE)
    axes.legend(loc="upper right", fontsize=8, title="points: guaranteed risk (mean of 200 calibrations)")
    return figure


def drift(steps: Sequence[tuple[int, float, bool]]) -> Figure:
    """PSI of a stream of which a fifth becomes foreign."""
    figure = Figure(figsize=(7.2, 2.6), layout="constrained")
    axes: Axes = figure.subplots()
    records = [step[0] for step in steps]
    alarm = next(step[0] for step in steps if step[2])
    axes.plot(records, [step[1] for step in steps], color=BLUE, linewidth=1.4)
    top = 1.25 * max(step[1] for step in steps)
    axes.axvline(20_000, color=GREY, linewidth=1, linestyle=(0, (4, 3)))
    axes.text(19_700, 0.93 * top, "one text in five is foreign from here", fontsize=8, ha="right")
    axes.axvline(alarm, color=ORANGE, linewidth=1.4)
    axes.text(alarm + 300, 0.93 * top, "alarm", fontsize=8, color=ORANGE)
    axes.set_ylim(0, top)
    axes.set_xlim(0, records[-1])
    axes.set_xlabel("records")
    axes.set_ylabel("PSI of confidences")
    axes.grid(color=RULE)
    return figure


if __name__ == "__main__":
    typer.run(main)
