"""The counts while messages flow: a table that follows them on a terminal, a line now and then on anything else."""

from __future__ import annotations

import time

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from worker.demo.outcomes import Tally
from worker.records import Destination

PLAIN_EVERY_S = 1.0
LABEL_ROWS = 10
BAR_WIDTH = 32

NAMES = {Destination.OUTPUT: "enriched", Destination.REVIEW: "review", Destination.DEAD_LETTER: "dead-letter"}
COLOURS = {Destination.OUTPUT: "green", Destination.REVIEW: "yellow", Destination.DEAD_LETTER: "red"}


class LiveCounts:
    """Told the counts, shows them; `total` is the number of messages that will have an outcome."""

    def __init__(self, total: int, console: Console) -> None:
        self._total = total
        self._console = console
        self._tally = Tally()
        self._seconds = 0.0
        self._next_line_at = time.monotonic() + PLAIN_EVERY_S
        self._printed = 0

    def update(self, tally: Tally, *, seconds: float) -> None:
        """`seconds`: since the first message was sent."""
        self._tally, self._seconds = tally, seconds
        if not self._console.is_terminal and time.monotonic() >= self._next_line_at:
            self.print_line()

    def print_line(self) -> None:
        """Everything in one line, if it is news."""
        if self._tally.messages == self._printed:
            return
        self._next_line_at = time.monotonic() + PLAIN_EVERY_S
        self._printed = self._tally.messages
        counts = ", ".join(f"{self._tally.by_destination[each]:,} {name}" for each, name in NAMES.items())
        line = f"{self._tally.messages:,} of {self._total:,} messages: {counts}; {self._rate:,.0f} messages/s"
        self._console.print(Text(line), soft_wrap=True)

    def table(self) -> RenderableType:
        """Progress, outcomes and labels."""
        both = Table.grid(padding=(0, 6))
        both.add_row(self._outcomes(), self._labels())
        return Padding(Group(self._bar(), Text(), both), (1, 0, 1, 0))

    @property
    def _rate(self) -> float:
        return self._tally.messages / self._seconds if self._seconds > 0 else 0.0

    def _bar(self) -> RenderableType:
        row = Table.grid(padding=(0, 3))
        row.add_row(
            ProgressBar(
                total=self._total, completed=self._tally.messages, width=BAR_WIDTH, complete_style="cyan", style="dim"
            ),
            Text(f"{self._tally.messages:,} of {self._total:,} messages", style="bold"),
            f"{self._rate:,.0f} messages/s",
            f"{self._seconds:.1f} s",
        )
        return row

    def _outcomes(self) -> Table:
        table = _columns("outcome", "messages", "share")
        for destination, name in NAMES.items():
            count = self._tally.by_destination[destination]
            share = count / self._tally.messages if self._tally.messages else 0.0
            table.add_row(Text(name, style=COLOURS[destination]), f"{count:,}", f"{share:.1%}")
        for reason, count in sorted(self._tally.reasons.items()):
            table.add_row(Text.assemble("  ", (reason, "dim")), Text(f"{count:,}", style="dim"), "")
        return table

    def _labels(self) -> Table:
        table = _columns("label", "enriched", "review")
        enriched, review = (self._tally.labels[each] for each in (Destination.OUTPUT, Destination.REVIEW))
        ranked = [label for label, _ in (enriched + review).most_common()]
        for label in ranked[:LABEL_ROWS]:
            table.add_row(label, f"{enriched[label]:,}", f"{review[label]:,}")
        if rest := ranked[LABEL_ROWS:]:
            sums = [sum(counts[label] for label in rest) for counts in (enriched, review)]
            table.add_row(Text(f"{len(rest)} other labels", style="dim"), *(f"{each:,}" for each in sums))
        return table


def _columns(name: str, *numbers: str) -> Table:
    table = Table(box=None, padding=(0, 3, 0, 0), header_style="dim")
    table.add_column(name, min_width=20)
    for number in numbers:
        table.add_column(number, justify="right")
    return table
