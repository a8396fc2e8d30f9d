"""`python -m worker.sizing docs/operating.md docs/figures/scaling.svg` writes the simulated day of the docs anew."""

from __future__ import annotations

import re
import sys
from pathlib import Path

from worker.sizing.comparison import COLUMNS, EXAMPLE, Comparison, compare
from worker.sizing.figure import draw
from worker.sizing.simulation import Costs

_SECTION = re.compile(r"(<!-- generated: scaling -->\n).*?(<!-- end -->)", re.DOTALL)


def example() -> Comparison:
    """The day that the docs show."""
    return compare(EXAMPLE, Costs(rate=EXAMPLE.rate))


def refreshed(page: str, comparison: Comparison) -> str:
    """The page with its table as the simulation has it now."""
    rows = [COLUMNS, tuple("---" for _ in COLUMNS), *comparison.rows()]
    table = "".join(f"| {' | '.join(row)} |\n" for row in rows)
    return _SECTION.sub(lambda section: f"{section[1]}{table}{section[2]}", page)


def main(page: Path, figure: Path) -> None:
    comparison = example()
    page.write_text(refreshed(page.read_text(encoding="utf-8"), comparison), encoding="utf-8")
    figure.parent.mkdir(exist_ok=True)
    figure.write_text(draw(comparison), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
