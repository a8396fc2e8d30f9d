"""`emostream broker`: a development broker in the foreground."""

from __future__ import annotations

import time
from enum import StrEnum
from typing import Annotated

import typer

from worker.cli.interruption import interrupt_once
from worker.devbroker import DevBrokerUnavailable, start

LOOK_EVERY_S = 0.5


class Kind(StrEnum):
    """What can be started."""

    AUTO = "auto"
    DOCKER = "docker"
    JVM = "jvm"
    EMBEDDED = "embedded"


def broker(
    kind: Annotated[Kind, typer.Option(help="auto takes the first that works.")] = Kind.AUTO,
    port: Annotated[
        int | None, typer.Option(help="Port to listen on; a free one by default.", min=1, max=65535)
    ] = None,
) -> None:
    """A development broker in the foreground; prints its address. Its data is gone when it stops.

    Example: emostream broker --kind jvm --port 9092
    """
    interrupt_once()
    try:
        with start(kind, port=port, report=lambda line: typer.echo(line, err=True)) as running:
            typer.echo(running.bootstrap_servers)
            typer.echo("press Ctrl-C to stop", err=True)
            while running.alive:
                time.sleep(LOOK_EVERY_S)
    except KeyboardInterrupt:
        return
    raise DevBrokerUnavailable("the broker ended by itself")
