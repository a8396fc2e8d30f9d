"""`emostream export`: a model as OpenVINO files, in float32, bfloat16 or int8, and how far it stands from float32."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from worker.cli.agreement_table import print_agreement
from worker.errors import ConfigError

if TYPE_CHECKING:
    from worker.learning.datasets import LabelledTexts
    from worker.learning.exporting import Exported, ExportObserver, Texts


class Precision(StrEnum):
    """What the exported model is to be run in."""

    FLOAT32 = "float32"
    BFLOAT16 = "bfloat16"
    INT8 = "int8"


def export(
    model: Annotated[str, typer.Option(help="builtin:NAME, a directory or a Hub id; not one that is int8 already.")],
    out: Annotated[Path, typer.Option(help="Folder for the model, new or empty; every command takes it.")],
    precision: Annotated[
        Precision, typer.Option(help="float32, bfloat16 (half the size) or int8 (needs --calibration).")
    ] = Precision.FLOAT32,
    calibration: Annotated[
        Path | None,
        typer.Option(
            help="Unlabelled texts like the live ones, some hundreds: txt, CSV, TSV, JSONL, Parquet. int8 takes its "
            "scales from up to 300; the others judge it."
        ),
    ] = None,
    labelled: Annotated[
        Path | None,
        typer.Option(help="Labelled texts to judge by instead, which tell accuracy too: as `evaluate` reads them."),
    ] = None,
    text_field: Annotated[str, typer.Option(help="Field of the text.")] = "text",
    label_field: Annotated[str | None, typer.Option(help="Field of the label; default: label, or labels.")] = None,
    revision: Annotated[str | None, typer.Option(help="Hub branch, tag or commit.")] = None,
) -> None:
    """Write a model as OpenVINO files for CPUs, and measure how far its probabilities stand from float32's.

    The figures go into agreement.json beside the model, and `evaluate` shows them. A form beyond the limits is not
    written (exit 2). For int8: probabilities differ by more than 0.1 at the 99th percentile, or more than 3 % of the
    texts get another answer; bfloat16: 0.03, 2 %; float32: 0.001, 0.5 %.

    int8 is run only where `--precision int8` or `model.precision: int8` asks for it.

    Example: emostream export --model builtin:emotion --precision int8 --calibration texts.txt --out models/emotion-int8
    """
    from worker.learning.extras import EXPORT, require

    require(EXPORT, purpose="export")
    if precision is Precision.INT8 and calibration is None:
        raise ConfigError("int8 needs some hundred unlabelled texts to take its scales from: give --calibration")
    from worker.learning import exporting
    from worker.observability.logging import configure

    configure(level="warning")
    exporting.check_target(out)
    texts = _texts(calibration, labelled, (text_field, label_field), calibrates=precision is Precision.INT8)
    try:
        with _progress() as observer:
            made = exporting.export(model, out, precision=precision, texts=texts, observer=observer, revision=revision)
    except exporting.Disagreement as error:
        print_agreement(error.record)
        raise
    _tell(made, precision)


def _texts(
    calibration: Path | None, labelled: Path | None, fields: tuple[str, str | None], *, calibrates: bool
) -> Texts:
    from worker.learning.datasets import Fields, load_labelled
    from worker.learning.exporting import divide
    from worker.learning.unlabelled import load_texts

    text_field, label_field = fields
    judged: LabelledTexts | None = None
    if labelled is not None:
        judged = load_labelled(labelled, Fields(text=text_field, label=label_field), prefer=("test", "validation"))
    unlabelled = load_texts(calibration, field=text_field) if calibration is not None else []
    return divide(unlabelled, judged, calibrates=calibrates)


def _tell(made: Exported, precision: Precision) -> None:
    if made.agreement is not None:
        print_agreement(made.agreement)
    else:
        typer.echo("agreement with float32: not measured: give --calibration or --labelled")
    typer.echo(f"{made.folder}: written; run it with model.precision {precision} (--precision {precision})")
    if made.policy_left_behind:
        typer.echo(
            "the model's policy is not taken along: it belongs to the former weights; emostream calibrate makes "
            "another one",
        )


@contextmanager
def _progress() -> Iterator[ExportObserver]:
    """A line for what is done now, on a terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as progress:
        bar = progress.add_task("loading", total=None)

        class Bar:
            def stage(self, name: str, *, texts: int | None) -> None:
                progress.reset(bar, description=name, total=texts)

            def advance(self, texts: int) -> None:
                progress.advance(bar, texts)

        yield Bar()
