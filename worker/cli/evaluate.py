"""`emostream evaluate`: how good, how honest and how selective a model is on labelled texts."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import orjson
import typer

from worker.cli import calibrate_options as options
from worker.cli.agreement_table import print_agreement
from worker.cli.classify import Backend, Precision
from worker.cli.writing import write_file
from worker.errors import ConfigError

if TYPE_CHECKING:
    from schemas.policy import Policy
    from worker.inference.agreement import AgreementRecord
    from worker.learning.datasets import Fields
    from worker.learning.metrics import Judged


MIN_CONFIDENCE = 0.5


@dataclass(frozen=True)
class Engine:
    """What runs the model, where one is run."""

    revision: str | None
    backend: Backend
    device: str
    precision: Precision


def evaluate(
    model: Annotated[str | None, typer.Option(help="builtin:NAME, a directory or a Hub id; with --data.")] = None,
    data: Annotated[
        Path | None, typer.Option(help="Labelled CSV, TSV, JSONL, Parquet, or a folder of them (its test split).")
    ] = None,
    predictions: Annotated[
        Path | None, typer.Option(help="What `classify` wrote over labelled input, instead of --model and --data.")
    ] = None,
    policy: Annotated[Path | None, typer.Option(help="Policy file; default: the model's own, if it has one.")] = None,
    min_confidence: Annotated[
        float | None,
        typer.Option(min=0.0, max=1.0, help="Without any policy: abstain below it.", show_default=str(MIN_CONFIDENCE)),
    ] = None,
    text_field: Annotated[str, typer.Option(help="Field of the text.")] = "text",
    label_field: Annotated[str | None, typer.Option(help="Field of the label; default: label, or labels.")] = None,
    backend: options.BackendOption = Backend.AUTO,
    device: options.Device = "auto",
    precision: options.PrecisionOption = Precision.AUTO,
    revision: options.Revision = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write every measure here; - is stdout.")] = None,
    report: Annotated[Path | None, typer.Option(help="Write an HTML report here (needs the learning extra).")] = None,
) -> None:
    """Measure accuracy, F1, calibration and selective risk; of a model, or of what it said before.

    Example: emostream evaluate --model builtin:emotion --data labelled.csv --report report.html
    """
    if (predictions is None) is (model is None or data is None) or (predictions and (model or data)):
        raise ConfigError("give --model and --data, or --predictions")
    engine = Engine(revision, backend, device, precision)
    if predictions is not None:
        _check_only_of_models(engine, min_confidence)
    from worker.learning.datasets import Fields
    from worker.learning.extras import REPORTS, require
    from worker.learning.metrics import measure

    if report is not None:
        require(REPORTS, purpose="a report")
    fields = Fields(text=text_field, label=label_field)
    agreement = _agreement(model, revision) if model is not None else None
    if predictions is not None:
        judged, chosen = _judged_predictions(predictions, fields, policy)
    else:
        judged, chosen = _judged_model((str(model), engine), Path(str(data)), fields, policy, min_confidence)
    if report is not None:
        from worker.learning.report import Subject, evaluation_page

        named = model or (chosen.model.name if chosen else "predictions")
        subject = Subject(model=named, data=str(data or predictions), policy=chosen, agreement=agreement)
        write_file(report, evaluation_page(judged, subject))
    values = {**measure(judged), "dead": judged.dead}
    if agreement is not None:
        values["agreement"] = agreement.model_dump(by_alias=True)
    document = orjson.dumps(values, option=orjson.OPT_INDENT_2).decode()
    if str(json_file) == "-":
        typer.echo(document)
        return
    if json_file is not None:
        write_file(json_file, document + "\n")
    _show(values, agreement)


def _check_only_of_models(engine: Engine, min_confidence: float | None) -> None:
    """Raise ConfigError where something is said of a model at work: there is none."""
    given = {
        "--min-confidence": min_confidence is not None,
        "--revision": engine.revision is not None,
        "--backend": engine.backend is not Backend.AUTO,
        "--device": engine.device != "auto",
        "--precision": engine.precision is not Precision.AUTO,
    }
    for option, present in given.items():
        if present:
            raise ConfigError(f"{option}: only with --model and --data; predictions are judged as they were made")


def _judged_predictions(path: Path, fields: Fields, policy: Path | None) -> tuple[Judged, Policy | None]:
    from worker.learning.evaluate import judge_predictions
    from worker.wiring import policy_of

    chosen = policy_of(policy, None)
    return judge_predictions(path, fields, policy=chosen), chosen


def _judged_model(
    source: tuple[str, Engine], data: Path, fields: Fields, policy: Path | None, min_confidence: float | None
) -> tuple[Judged, Policy | None]:
    from worker.cli.observing import loaded, observed_by
    from worker.decision.policy import check_belongs
    from worker.learning.datasets import load_labelled
    from worker.learning.evaluate import judge_observed
    from worker.wiring import policy_of

    texts = load_labelled(data, fields, prefer=("test", "validation"))
    model, choices = source
    with loaded(model, **asdict(choices)) as engine:
        chosen = policy_of(policy, engine.policy_file)
        if chosen is not None:
            check_belongs(chosen, engine.info)
        found = observed_by(engine, texts, title=f"{model} on {data.name}")
    return judge_observed(
        found, chosen, min_confidence=MIN_CONFIDENCE if min_confidence is None else min_confidence
    ), chosen


def _agreement(model: str, revision: str | None) -> AgreementRecord | None:
    """How far the model stood from float32 when it was exported, if its folder says so of these weights."""
    from worker.inference.agreement import read_agreement
    from worker.inference.checkpoint import content_hash
    from worker.inference.sources import resolve

    folder = resolve(model, revision=revision).folder
    found = read_agreement(folder)
    return found if found is not None and found.form.revision == content_hash(folder) else None


def _show(values: dict[str, Any], agreement: AgreementRecord | None) -> None:
    """The measures as tables on standard output."""
    from rich.console import Console
    from rich.table import Table

    console = Console()
    dead = f", {values['dead']:,} more could not be classified" if values["dead"] else ""
    summary = Table(show_header=False, title=f"{values['texts']:,} texts{dead}", title_justify="left")
    for name, value in values.items():
        if isinstance(value, float):
            low, high = values["intervals"].get(name, (None, None))
            interval = "" if low is None else f"{low:.4f} to {high:.4f}"
            summary.add_row(name.replace("_", " "), f"{value:.4f}", interval)
    console.print(summary)
    labels = Table("label", "precision", "recall", "F1", "texts")
    for name, row in values["per_label"].items():
        labels.add_row(name, *(f"{row[key]:.3f}" for key in ("precision", "recall", "f1")), str(row["support"]))
    console.print(labels)
    if agreement is not None:
        print_agreement(agreement)
