"""A model at work for one command: what it warns of goes to standard error, and a bar to the terminal."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from worker.inference.engine import Engine
    from worker.learning.datasets import LabelledTexts
    from worker.learning.observed import Observed


@contextmanager
def loaded(model: str, *, revision: str | None, backend: str, device: str, precision: str) -> Iterator[Engine]:
    """The engine of a model, closed at the end. Raises ModelError."""
    from worker.inference.loading import load_engine
    from worker.observability.logging import configure

    configure(level="warning")
    engine = load_engine(model, revision=revision, backend=backend, device=device, precision=precision)
    try:
        yield engine
    finally:
        engine.close()


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
