"""The day as a picture: what came in, workers, and the age of the oldest record, as an SVG without any library."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

import numpy as np

from worker.sizing.comparison import ADVISED, KEDA_DEFAULTS, Comparison
from worker.sizing.simulation import Series

WIDTH, PANEL, GAP, LEFT, RIGHT, TOP = 860, 120, 34, 64, 14, 46
POINTS = 720
BLUE, ORANGE, GREY = "#1769aa", "#d9730d", "#6b7280"
INK, RULE = "#1f2933", "#e3e7ec"


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a panel: its name for the legend, colour and values over the day."""

    name: str
    colour: str
    values: Series


@dataclass(frozen=True, slots=True)
class Panel:
    """One chart over the hours of the day; `limit`: a dashed line with its name."""

    title: str
    lines: Sequence[Line]
    limit: tuple[float, str] | None = None
    stepped: bool = False


def draw(comparison: Comparison) -> str:
    """The comparison of the advised settings with KEDA's defaults, as SVG text; the same for the same input."""
    shown = [(name, colour, comparison.days[name][1]) for name, colour in ((KEDA_DEFAULTS, ORANGE), (ADVISED, BLUE))]
    panels = (
        Panel("records in, thousands a second", [Line("", GREY, comparison.rates / 1000.0)]),
        Panel("workers", [Line(name, colour, day.replicas) for name, colour, day in shown], stepped=True),
        Panel(
            "age of the oldest record, seconds",
            [Line(name, colour, day.oldest_s) for name, colour, day in shown],
            limit=(comparison.wish.drain_s, f"target: {comparison.wish.drain_s:g} s"),
        ),
    )
    height = TOP + len(panels) * (PANEL + GAP)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" '
        'font-family="system-ui, sans-serif" font-size="12">',
        "<title>A simulated day: records in, workers, and the age of the oldest record</title>",
        f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>',
        *_legend([(name, colour) for name, colour, _ in reversed(shown)]),
    ]
    for index, panel in enumerate(panels):
        parts += _panel(panel, top=TOP + index * (PANEL + GAP), last=index == len(panels) - 1)
    return "\n".join([*parts, "</svg>", ""])


def _legend(entries: Sequence[tuple[str, str]]) -> list[str]:
    parts = []
    x = LEFT
    for name, colour in entries:
        parts.append(f'<rect x="{x}" y="10" width="18" height="4" fill="{colour}"/>')
        parts.append(_text(x + 24, 16, name))
        x += 44 + 7 * len(name)
    return parts


def _panel(panel: Panel, *, top: int, last: bool) -> list[str]:
    highest = max(float(line.values.max()) for line in panel.lines)
    ticks = _ticks(max(highest, panel.limit[0] if panel.limit else 0.0))

    def x(share: float) -> float:
        return LEFT + share * (WIDTH - LEFT - RIGHT)

    def y(value: float) -> float:
        return top + PANEL * (1.0 - value / ticks[-1])

    parts = [_text(LEFT, top - 6, panel.title, weight="600")]
    for tick in ticks:
        parts.append(f'<path d="M{LEFT} {y(tick):.1f}H{WIDTH - RIGHT}" stroke="{RULE}"/>')
        parts.append(_text(LEFT - 8, y(tick) + 4, f"{tick:g}", anchor="end"))
    if panel.limit is not None:
        limit, name = panel.limit
        parts.append(f'<path d="M{LEFT} {y(limit):.1f}H{WIDTH - RIGHT}" stroke="{INK}" stroke-dasharray="5 4"/>')
        parts.append(_text(WIDTH - RIGHT, y(limit) - 5, name, anchor="end"))
    for line in panel.lines:
        path = _path(line.values, x, y, stepped=panel.stepped)
        parts.append(f'<path d="{path}" fill="none" stroke="{line.colour}" stroke-width="1.4"/>')
    if last:
        parts += [
            _text(x(hour / 24), top + PANEL + 18, f"{hour:02d}:00", anchor="end" if hour == 24 else "middle")
            for hour in range(0, 25, 4)
        ]
    return parts


def _path(values: Series, x: Callable[[float], float], y: Callable[[float], float], *, stepped: bool) -> str:
    """The highest value of each of POINTS stretches of the day, so that no peak is lost."""
    highest = np.array([stretch.max() for stretch in np.array_split(values, POINTS)])
    parts = [f"M{x(0):.1f} {y(highest[0]):.1f}"]
    for index, value in enumerate(highest[1:], start=1):
        if stepped and value == highest[index - 1]:
            continue
        across = f"H{x(index / POINTS):.1f}V{y(value):.1f}" if stepped else f"L{x(index / POINTS):.1f} {y(value):.1f}"
        parts.append(across)
    return "".join(parts) + (f"H{x(1):.1f}" if stepped else "")


def _ticks(highest: float) -> list[float]:
    """Three or four round values from 0 to above the highest."""
    rough = max(highest, 1e-9) / 3.0
    power = 10.0 ** np.floor(np.log10(rough))
    step = next(power * round_one for round_one in (1.0, 2.0, 2.5, 5.0, 10.0) if power * round_one >= rough)
    return [step * index for index in range(int(np.ceil(highest / step)) + 1)]


def _text(x: float, y: float, text: str, *, anchor: str = "start", weight: str = "400") -> str:
    style = f'fill="{INK}" text-anchor="{anchor}" font-weight="{weight}"'
    return f'<text x="{x:.1f}" y="{y:.1f}" {style}>{escape(text)}</text>'
