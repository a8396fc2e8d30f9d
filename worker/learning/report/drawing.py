"""What all figures share: their style, and how one becomes SVG that follows the page's colours."""

from __future__ import annotations

import io
from typing import Any

INK, FAINT, ACCENT, WARN, QUIET, CARD = "#010101", "#020202", "#030303", "#040404", "#050505", "#060606"
"""Stand-ins that drawing uses; in the file they become the page's own colours, so that figures follow its theme."""
COLOURS = {
    INK: "currentColor",
    FAINT: "var(--line)",
    ACCENT: "var(--accent)",
    WARN: "var(--warn)",
    QUIET: "var(--quiet)",
    CARD: "var(--card)",
}
ON_CARD = {"facecolor": CARD, "edgecolor": "none", "pad": 1.5, "alpha": 0.8}
"""The box of words that may lie over a curve."""
WIDTH = 5.6


def new_figure(*, height: float) -> Any:
    """An empty matplotlib figure in the report's style; `height` in inches."""
    import matplotlib
    from matplotlib.figure import Figure

    inks = ("text.color", "axes.labelcolor", "xtick.color", "ytick.color")
    style = dict.fromkeys(inks, INK) | {
        "axes.edgecolor": FAINT,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.grid": True,
        "axes.axisbelow": True,
        "grid.color": FAINT,
        "grid.linewidth": 0.6,
        "legend.frameon": False,
        "font.family": "sans-serif",
        "font.size": 10,
        "svg.fonttype": "none",
        "svg.hashsalt": "emostream",
    }
    matplotlib.rcParams.update(style)
    return Figure(figsize=(WIDTH, height), layout="constrained")


def as_svg(figure: Any) -> str:
    """The figure as an `<svg>` element; the same for the same data."""
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    drawing = buffer.getvalue()
    drawing = drawing[drawing.index("<svg") :]
    for stand_in, colour in COLOURS.items():
        drawing = drawing.replace(stand_in, colour)
    return drawing
