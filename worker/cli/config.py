"""`emostream config`: what the configuration is, where it comes from, and what is wrong with it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    help="Check and show the configuration. Example: emostream config check emostream.yaml",
    no_args_is_help=True,
    add_completion=False,
)

File = Annotated[Path, typer.Argument(help="The YAML file.", metavar="FILE")]
OptionalFile = Annotated[
    Path | None, typer.Argument(help="The YAML file; without it: environment and defaults.", metavar="[FILE]")
]


@app.command()
def check(file: File) -> None:
    """Say what is wrong with the file and the environment, a line for each problem (exit 2), or that all is well.

    Example: emostream config check emostream.yaml
    """
    from worker.config import load

    load(file)
    typer.echo(f"{file}: ok")


@app.command()
def show(file: OptionalFile = None) -> None:
    """Print every value that would be used, as YAML, with where it comes from: file, environment or default.

    Secrets are not shown. Example: emostream config show emostream.yaml
    """
    from worker.config import load_with_sources
    from worker.config.reference import effective

    typer.echo(effective(load_with_sources(file)))


@app.command()
def schema() -> None:
    """Print the JSON Schema of the file, for editors and other programs.

    Example: emostream config schema > emostream.schema.json
    """
    from worker.config.reference import json_schema

    typer.echo(json.dumps(json_schema(), indent=2))
