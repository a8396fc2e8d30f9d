"""`emostream demo`: everything at once, on this machine."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from worker.cli.interruption import ignore_interrupts, interrupt_once

INTERRUPTED = 130


def demo(
    messages: Annotated[int, typer.Option(help="How many messages go through; about one in 100 is bad.", min=1)] = 2000,
    broker: Annotated[
        str, typer.Option(help="auto, docker, jvm, embedded or HOST:PORT; auto takes the first that works.")
    ] = "auto",
    model: Annotated[
        str, typer.Option(help="builtin:NAME, a folder in Hugging Face format, or a Hub id.")
    ] = "builtin:ekman",
) -> None:
    """Real texts through a real broker and a worker; then a check that each message got exactly one outcome.

    Example: emostream demo --messages 5000 --broker localhost:9092
    """
    interrupt_once()
    try:
        good = _show(messages, broker, _resolved(model))
    except KeyboardInterrupt:
        typer.echo("emostream: interrupted; nothing is left behind", err=True)
        raise typer.Exit(INTERRUPTED) from None
    finally:
        ignore_interrupts()  # nothing is left to be stopped, and the interpreter does not like it on its way out
    if not good:
        raise typer.Exit(1)


def _show(messages: int, broker: str, model: str) -> bool:
    from rich.console import Console

    from worker.demo.demonstration import Plan, demonstrate
    from worker.demo.screen import WIDEST, Screen
    from worker.demo.worker_process import WorkerFailed

    # a pipe has no width of its own
    results = Console() if sys.stdout.isatty() else Console(width=WIDEST)
    screen = Screen(progress=Console(stderr=True), results=results)
    try:
        return demonstrate(Plan(messages, broker, model), screen).good
    except WorkerFailed as failed:
        screen.failure(failed.log)
        raise


def _resolved(model: str) -> str:
    """The worker runs in a folder of its own, where a relative path would lead elsewhere."""
    return str(Path(model).resolve()) if Path(model).is_dir() else model
