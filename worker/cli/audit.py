"""`emostream audit`: what the answers to audit copies say of all accepted records."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from worker.cli.writing import write_file

if TYPE_CHECKING:
    from worker.learning.audit import AuditEstimate
    from worker.learning.audited import Audit

app = typer.Typer(no_args_is_help=True, add_completion=False)


@app.callback()
def audit() -> None:
    """Accuracy of live traffic, from the accepted records that were copied to review by chance.

    Example: emostream audit estimate --events review.jsonl --labels answers.csv
    """


@app.command()
def estimate(
    labels: Annotated[
        Path,
        typer.Option(help="People's answers: CSV, TSV, JSONL or Parquet with id and answer (or label, or labels)."),
    ],
    events: Annotated[
        Path | None,
        typer.Option(help="Values of the review topic, one JSON object a line. Without: --labels holds them too."),
    ] = None,
    accepted: Annotated[
        int | None, typer.Option(min=1, help="How many records were accepted, if known: a little more exact.")
    ] = None,
    confidence: Annotated[float, typer.Option(min=0.5, max=0.9999, help="Of the interval.")] = 0.95,
    answer_field: Annotated[
        str | None, typer.Option(help="Field of the answer; default: answer, label or labels.")
    ] = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="Also write it here; - is stdout.")] = None,
) -> None:
    """Estimate the share of wrong answers among all accepted records, with a confidence interval.

    With decision.audit_rate, or calibrate --audit-rate, the review topic gets copies of accepted records.

    Each has the reason audit_sample, and says what chance it had (audit_probability).

    Save the topic's values as JSON lines, let people answer, and give both: they are joined by id.

    Or give one JSONL file whose events also have `answer`: a label, or a list of labels.

    Rarer copies weigh more (Horvitz-Thompson): auditing doubtful records more often does not bias the result.

    Records without an answer are left out, as are those that were not in the sample.

    Example: emostream audit estimate --events review.jsonl --labels answers.csv
    """
    from worker.learning.extras import CALIBRATION, require

    require(CALIBRATION, purpose="an estimate")
    from worker.learning.audited import read_audit

    found = read_audit(labels, events, answer_field=answer_field)
    overall = found.estimate(accepted=accepted, confidence=confidence)
    parts = found.by_label(confidence=confidence)
    if json_file is not None:
        document = _document(found, overall, parts, confidence)
        if str(json_file) == "-":
            typer.echo(document)
            return
        write_file(json_file, document + "\n")
    _show(found, overall, parts, confidence)


def _document(found: Audit, overall: AuditEstimate, parts: dict[str, AuditEstimate], confidence: float) -> str:
    import orjson

    values: dict[str, Any] = {
        **asdict(overall),
        "accuracy": 1.0 - overall.risk,
        "confidence": confidence,
        "copies": len(found.copies),
        "not_in_the_sample": found.outside,
        "promise": found.promise,
        "by_label": {label: asdict(part) for label, part in parts.items()},
    }
    return orjson.dumps(values, option=orjson.OPT_INDENT_2).decode()


def _show(found: Audit, overall: AuditEstimate, parts: dict[str, AuditEstimate], confidence: float) -> None:
    from rich.console import Console
    from rich.table import Table

    from worker.decision.explanation import percent

    console = Console()
    said = f"of all accepted answers {percent(overall.risk)} are wrong; "
    interval = f"with confidence {confidence:g} between {percent(overall.low)} and {percent(overall.high)}"
    console.print(said + interval, highlight=False, soft_wrap=True)
    console.print(_verdict(found, overall), highlight=False, soft_wrap=True)
    table = Table("label", "answers", "wrong", "from", "to")
    for label, part in parts.items():
        table.add_row(label, str(part.answers), *(percent(share) for share in (part.risk, part.low, part.high)))
    console.print(table)
    left = f", {found.outside} more that were not in the sample are left out" if found.outside else ""
    console.print(
        f"{overall.answers} answers to {len(found.copies)} copies, worth {overall.effective:.0f} drawn evenly{left}",
        highlight=False,
        soft_wrap=True,
    )


def _verdict(found: Audit, overall: AuditEstimate) -> str:
    if found.promise is None:
        return "no one promise stands in these events"
    target = float(found.promise["target_risk"])
    promised = f"promised: at most {100 * target:.3g} %"
    if overall.low > target:
        return f"{promised}: broken; calibrate again, on texts like these"
    if overall.high <= target:
        return f"{promised}: kept"
    return f"{promised}: these answers do not contradict it; more of them would tell"
