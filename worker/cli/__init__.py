"""The command line: which commands there are, and how errors end the program. Each command is a module of its own.

A command's module is imported only when the command is used or listed, and imports what is heavy only when it runs.
"""

from __future__ import annotations

import contextlib
from importlib import import_module
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from worker import __version__
from worker.errors import EmostreamError

WORKER = "Worker"
MODELS = "Models and data"
LOOK = "Look and check"

# command and module name: its section in the help
COMMANDS = {
    "run": WORKER,
    "demo": WORKER,
    "broker": WORKER,
    "classify": MODELS,
    "evaluate": MODELS,
    "calibrate": MODELS,
    "train": MODELS,
    "export": MODELS,
    "policy": LOOK,
    "audit": LOOK,
    "dlq": LOOK,
    "advise": LOOK,
    "bench": LOOK,
    "config": LOOK,
    "schema": LOOK,
    "health": LOOK,
}


class Commands(TyperGroup):
    """Imports a command when it is asked for; turns our errors into a line on stderr and their exit code."""

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002 (the signature is typer's)
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ARG002
        return _load(cmd_name) if cmd_name in COMMANDS else None

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        for panel in dict.fromkeys(COMMANDS.values()):
            names = [name for name in self.list_commands(ctx) if COMMANDS[name] == panel]
            with formatter.section(panel):
                formatter.write_dl([(name, _summary(self.get_command(ctx, name))) for name in names])

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except EmostreamError as error:
            with contextlib.suppress(OSError):  # nobody listens on stderr; the exit code still tells
                for line in str(error).splitlines():
                    typer.echo(f"emostream: {line}", err=True)
            raise typer.Exit(error.exit_code) from error


def _load(name: str) -> Any:
    """The command of `worker.cli.<name>`: its typer app called `app`, or its function of the same name."""
    module = import_module(f"worker.cli.{name}")
    commands: typer.Typer | None = getattr(module, "app", None)
    if commands is None:
        commands = typer.Typer(add_completion=False)
        commands.command(name)(getattr(module, name))
    command: Any = typer.main.get_command(commands)
    command.name = name
    return command


def _summary(command: Any) -> str:
    """The first paragraph of its help."""
    return " ".join((command.help or "").split("\n\n")[0].split())


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"emostream {__version__}")
        raise typer.Exit


app = typer.Typer(
    name="emostream",
    cls=Commands,
    no_args_is_help=True,
    rich_markup_mode=None,  # importing what draws boxes would take longer than everything else in `--help`
    pretty_exceptions_enable=False,  # its tracebacks show local variables: message text among them
    epilog="First steps: emostream demo   Every command: emostream COMMAND --help",
)


@app.callback()
def emostream(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Classify streams of text in Kafka with transformers, in waves, exactly once."""
