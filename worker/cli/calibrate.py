"""`emostream calibrate`: a policy whose promise is proven on labelled texts."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from worker.cli import calibrate_options as options
from worker.cli.classify import Backend, Precision
from worker.cli.labelled_source import Source, warnings
from worker.cli.writing import write_file
from worker.errors import ConfigError, DataError
from worker.learning.choices import LabelThresholds, Method, Scaling, Score

if TYPE_CHECKING:
    from worker.learning.wishes import Wishes


def calibrate(
    out: Annotated[Path, typer.Option(help="Policy file to write; `run`, `classify` and `evaluate` take it.")],
    model: Annotated[str | None, typer.Option(help="builtin:NAME, a directory or a Hub id; with --data.")] = None,
    data: Annotated[Path | None, typer.Option(help="Labelled CSV, TSV, JSONL, Parquet, or a folder of them.")] = None,
    predictions: Annotated[
        Path | None, typer.Option(help="What `classify` wrote over labelled input, instead of --model and --data.")
    ] = None,
    target_risk: options.TargetRisk = None,
    confidence: options.Confidence = 0.9,
    risk: options.RiskOption = None,
    method: options.MethodOption = Method.LTT,
    review_share: options.ReviewShare = None,
    threshold: options.Threshold = None,
    score: options.ScoreOption = Score.BEST,
    scaling: options.ScalingOption = Scaling.AUTO,
    label_thresholds: options.LabelThresholdsOption = LabelThresholds.F1,
    min_margin: options.MinMargin = None,
    watch: options.Watch = "",
    doubt_label: options.DoubtLabel = None,
    doubt_margin: options.DoubtMargin = 0.1,
    exclusive: options.Exclusive = "",
    max_labels: options.MaxLabels = None,
    off_risk: options.OffRisk = None,
    groups: options.Groups = None,
    false_alarm_rate: options.FalseAlarmRate = None,
    min_tokens: options.MinTokens = None,
    review_truncated: options.ReviewTruncated = False,
    audit_rate: options.AuditRate = 0.0,
    audit_strata: options.AuditStrata = 4,
    drift_alarms: options.DriftAlarms = 0.01,
    void_guarantee: options.VoidGuarantee = False,
    text_field: Annotated[str, typer.Option(help="Field of the text.")] = "text",
    label_field: Annotated[str | None, typer.Option(help="Field of the label; default: label, or labels.")] = None,
    backend: options.BackendOption = Backend.AUTO,
    device: options.Device = "auto",
    precision: options.PrecisionOption = Precision.AUTO,
    revision: options.Revision = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="Also write every figure here; - is stdout.")] = None,
    report: Annotated[Path | None, typer.Option(help="Write an HTML report here (needs the learning extra).")] = None,
) -> None:
    """Choose thresholds so that at most a share R of the accepted answers is wrong, with confidence C.

    Give labelled texts that are like the live ones, and that the model has not learned from.

    A target that they cannot support is refused (exit 2), with a table of what they can.

    Example: emostream calibrate --model builtin:emotion --data my.csv --target-risk 0.05 --confidence 0.9 --out p.json
    """
    from schemas.rules import DoubtLabel as Doubt
    from worker.learning.extras import CALIBRATION, require

    require(CALIBRATION, purpose="calibration")
    from worker.learning.guarantees import Promise
    from worker.learning.wishes import AfterWishes, TextWishes, Wishes

    source = Source(model, data, predictions, revision, backend, device, precision)
    source.check()
    wishes = Wishes(
        promise=Promise(_open(target_risk), confidence) if target_risk is not None else None,
        confidence=confidence,
        risk=risk,
        method=method,
        review_share=review_share,
        threshold=threshold,
        score=score,
        scaling=scaling,
        label_thresholds=label_thresholds,
        min_margin=min_margin,
        doubt=Doubt(label=doubt_label, margin=doubt_margin) if doubt_label else None,
        watched=_listed(watch),
        exclusive=_listed(exclusive),
        max_labels=max_labels,
        off_risk=off_risk,
        groups=_read_groups(groups) if groups is not None else None,
        text=TextWishes(
            false_alarm_rate=false_alarm_rate, min_content_tokens=min_tokens, review_truncated=review_truncated
        ),
        after=AfterWishes(
            audit_rate=audit_rate,
            audit_strata=audit_strata,
            false_alarms_per_day=drift_alarms,
            void_guarantee=void_guarantee,
        ),
    )
    _run(source, wishes, (text_field, label_field), Outputs(out, json_file, report))


@dataclass(frozen=True)
class Outputs:
    """What is written where."""

    policy: Path
    json: Path | None
    report: Path | None

    @property
    def speaks_json(self) -> bool:
        """Whether standard output is for JSON alone."""
        return str(self.json) == "-"


def _run(source: Source, wishes: Wishes, fields: tuple[str, str | None], outputs: Outputs) -> None:
    from schemas.policy import dump_policy
    from worker.cli.calibration_tables import show_calibrated, show_refusal
    from worker.clock import SystemClock
    from worker.learning.calibrate import calibrate as make_policy
    from worker.learning.datasets import Fields
    from worker.learning.extras import REPORTS, require
    from worker.learning.proving import Unsupported

    if outputs.report is not None:
        require(REPORTS, purpose="a report")
    found = source.observed(Fields(*fields))
    for warning in warnings(found, source):
        typer.echo(f"emostream: {warning}", err=True)
    now = datetime.fromtimestamp(SystemClock().time(), UTC).replace(microsecond=0)
    try:
        made = make_policy(found, wishes, now=now)
    except Unsupported as refused:
        if outputs.json is not None:
            _write_json(outputs.json, asdict(refused.refusal))
        if not outputs.speaks_json:
            show_refusal(refused.refusal)
        raise
    write_file(outputs.policy, dump_policy(made.policy))
    if outputs.report is not None:
        from worker.learning.report import calibration_page

        write_file(outputs.report, calibration_page(made, data=source.named))
    if outputs.json is not None:
        from worker.learning.summary import summary

        _write_json(outputs.json, summary(made))
    if not outputs.speaks_json:
        show_calibrated(made, policy_file=str(outputs.policy))


def _write_json(path: Path, values: dict[str, Any]) -> None:
    import orjson

    document = orjson.dumps(values, option=orjson.OPT_INDENT_2).decode()
    if str(path) == "-":
        typer.echo(document)
    else:
        write_file(path, document + "\n")


def _open(target: float) -> float:
    if not 0.0 < target < 1.0:
        raise ConfigError(f"--target-risk {target:g}: must lie between 0 and 1")
    return target


def _listed(names: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in names.split(",") if name.strip())


def _read_groups(path: Path) -> dict[str, tuple[str, ...]]:
    import yaml

    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise DataError(f"{path}: cannot be read as JSON or YAML") from error
    if not isinstance(document, dict) or not all(
        isinstance(members, list) and members for members in document.values()
    ):
        raise DataError(f"{path}: should hold groups and the labels of each, e.g. {{positive: [joy, love]}}")
    return {str(name): tuple(map(str, members)) for name, members in document.items()}
