"""A bar on the terminal for reading a topic to its end; nothing elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def offsets_progress() -> Iterator[Callable[[int, int], None]]:
    """Gives what is to be called with how many letters were dealt with, and how many offsets remain."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as progress:
        bar = progress.add_task("reading", total=None)
        most = 0

        def show(done: int, remaining: int) -> None:
            nonlocal most
            most = max(most, remaining)
            progress.update(bar, total=most, completed=most - remaining, description=f"{done:,} letters")

        yield show
