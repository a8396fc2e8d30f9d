"""`emostream policy`: what a policy file says."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from worker.decision.explanation import Explanation

app = typer.Typer(
    help="Look at policy files. Example: emostream policy show policy.json", no_args_is_help=True, add_completion=False
)


@app.callback()
def policy() -> None:
    """Look at policy files.

    Example: emostream policy show policy.json
    """


@app.command()
def show(file: Annotated[Path, typer.Argument(help="The policy file.", metavar="FILE")]) -> None:
    """Say in words what is promised, on which data, how is decided, and which rule gives which reason.

    Example: emostream policy show policy.json
    """
    from rich.console import Console

    from schemas.policy import InvalidPolicy, load_policy
    from worker.decision.explanation import explain
    from worker.errors import PolicyError

    try:
        found = load_policy(file)
    except InvalidPolicy as error:
        raise PolicyError(str(error)) from error
    _show(explain(found), Console())


def _show(explanation: Explanation, console: Console) -> None:
    from rich.table import Table

    for text in (explanation.promise, explanation.basis, explanation.answers, explanation.identity):
        console.print(text, highlight=False, markup=False)
        console.print()
    checks = Table("a text goes to review when", "reason", title="Rules", title_justify="left")
    for check in explanation.checks:
        checks.add_row(check.when, check.reason)
    console.print(checks)
    zones = any(line.off is not None for line in explanation.labels)
    labels = Table("label", "from", *(("unsure from",) if zones else ()), "", title="Thresholds", title_justify="left")
    for line in explanation.labels:
        on = "never" if line.on is None else f"{line.on:.4f}"
        off = ("" if line.off is None else f"{line.off:.4f}",) if zones else ()
        labels.add_row(line.label, on, *off, "always reviewed" if line.watched else "")
    console.print(labels)
    for note in explanation.notes:
        console.print(note, highlight=False, markup=False)
