"""A training run on the terminal: a progress bar and a table that grows by a row each epoch; plain lines elsewhere.

Writes to stderr only.
"""

from __future__ import annotations

from types import TracebackType
from typing import Self

from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from worker.learning.linear_floor import FloorScore
from worker.learning.train import EpochReport

COLUMNS = ("epoch", "train loss", "validation loss", "accuracy", "macro F1", "micro F1", "ECE")


class TrainingConsole:
    """A TrainObserver for people. Use it as a context manager around the run."""

    def __init__(self, title: str, *, console: Console | None = None) -> None:
        self._console = console or Console(stderr=True)
        self._table = Table(*COLUMNS, title=title, title_justify="left")
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        self._progress = Progress(*columns, console=self._console)
        self._bar = self._progress.add_task("training", total=None)
        self._live = Live(Group(self._table, self._progress), console=self._console, refresh_per_second=4)
        self._title = title

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._console.is_terminal:
            self._live.stop()

    def started(self, parameters: int, *, train: int, validation: int) -> None:
        self._console.print(
            f"{self._title}: {train:,} texts to learn from, {validation:,} to validate on, "
            f"{parameters / 1e6:.1f} M parameters"
        )

    def floored(self, floor: FloorScore) -> None:
        self._console.print(f"linear floor (TF-IDF): {floor.micro_f1:.4f} micro F1, {floor.macro_f1:.4f} macro F1")

    def step(self, done: int, total: int, *, loss: float) -> None:
        self._progress.update(self._bar, completed=done, total=total, description=f"loss {loss:.3f}")

    def epoch(self, report: EpochReport) -> None:
        numbers = (
            report.train_loss,
            report.validation_loss,
            report.accuracy,
            report.macro_f1,
            report.micro_f1,
            report.ece,
        )
        cells = [str(report.number), *(f"{number:.4f}" for number in numbers)]
        self._table.add_row(*cells)
        if not self._console.is_terminal:
            line = "  ".join(f"{name} {cell}" for name, cell in zip(COLUMNS, cells, strict=True))
            self._console.print(line, soft_wrap=True)
