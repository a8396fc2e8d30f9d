"""A picture of a demo for the README: `python -m worker.demo.picture docs/demo.svg` runs one and draws its end."""

from __future__ import annotations

import io
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import TerminalTheme

from worker.demo.demonstration import Plan, demonstrate
from worker.demo.live import LiveCounts
from worker.demo.screen import WIDEST, Screen

PLAN = Plan(messages=2000, broker="jvm", model="builtin:ekman", samples=1)
THEME = TerminalTheme(
    (250, 250, 248),
    (45, 50, 56),
    [
        (45, 50, 56),
        (176, 48, 48),
        (44, 122, 68),
        (150, 106, 12),
        (40, 96, 160),
        (132, 70, 140),
        (20, 116, 124),
        (120, 126, 132),
    ],
)
FOREIGN_FONTS = re.compile(r"@font-face \{\{.*?\}\}\s*", re.DOTALL)
CELL_WIDTH = 12.2
SPACES_FIRST = re.compile(r'x="([\d.]+)" (y="[\d.]+") textLength="([\d.]+)"([^>]*)>((?:&#160;)+)')


class PictureScreen(Screen):
    """Draws on one recorded console, the live counts once, at their end."""

    def __init__(self, recorded: Console) -> None:
        super().__init__(progress=recorded, results=recorded)
        self._recorded = recorded

    @contextmanager
    def waiting(self, what: str) -> Iterator[None]:  # noqa: ARG002 - a picture does not wait
        yield

    @contextmanager
    def live(self, total: int) -> Iterator[LiveCounts]:
        counts = LiveCounts(total, self._recorded)
        yield counts
        self._recorded.print(counts.table())


def main(path: Path) -> None:
    """Run a demo and write the picture. The fonts are the viewer's own: nothing is fetched to show it."""
    console = Console(record=True, width=WIDEST, file=io.StringIO(), force_terminal=True, color_system="truecolor")
    demonstrate(PLAN, PictureScreen(console))
    picture = console.export_svg(title="emostream demo", theme=THEME, code_format=_format(), unique_id="demo")
    path.write_text(SPACES_FIRST.sub(_moved, picture), encoding="utf-8")


def _moved(text: re.Match[str]) -> str:
    """A piece of text without the spaces it begins with, which not every viewer draws, as far to the right."""
    left, y, length, rest, spaces = text.groups()
    width = spaces.count(";") * CELL_WIDTH
    return f'x="{float(left) + width:g}" {y} textLength="{float(length) - width:g}"{rest}>'


def _format() -> str:
    from rich._export_format import CONSOLE_SVG_FORMAT

    return FOREIGN_FONTS.sub("", CONSOLE_SVG_FORMAT)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
