"""`emostream run`: the worker in the foreground."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def run(
    config: Annotated[
        Path | None, typer.Option(help="YAML file; without one the defaults and EMOSTREAM_… variables count.")
    ] = None,
    until_caught_up: Annotated[
        bool,
        typer.Option(
            "--until-caught-up", help="Exit 0 once everything that was in the input topics at the start is committed."
        ),
    ] = False,
) -> None:
    """Consume, classify, decide and publish until stopped. SIGTERM or Ctrl-C drains; a second one stops at once.

    Example: emostream run --config worker.yaml
    """
    from worker import wiring
    from worker.config import load
    from worker.observability.logging import configure
    from worker.stopping import stop_on_signals

    settings = load(config)
    configure(level=settings.logging.level, format=settings.logging.format)
    with stop_on_signals() as stop:
        wiring.run(settings, stop=stop, until_caught_up=until_caught_up)
