"""A model at work on labelled texts, with a bar on the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from worker.inference.engine import Engine
    from worker.learning.datasets import LabelledTexts
    from worker.learning.observed import Observed


def observed_by(engine: Engine, texts: LabelledTexts, *, title: str) -> Observed:
    """What the engine says of the texts. Raises DataError."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from worker.learning.observed import observe
    from worker.wiring import surprise_of

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as progress:
        bar = progress.add_task(title, total=len(texts))
        return observe(engine, texts, surprise=surprise_of(engine), progress=lambda n: progress.advance(bar, n))
