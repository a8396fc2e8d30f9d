"""What stands on the pages: figures, tiles and tables out of what was measured, rendered with one template."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from schemas.policy import Policy
from worker.decision.explanation import LabelLine, explain
from worker.inference.agreement import AgreementRecord
from worker.learning.extras import REPORTS, require
from worker.learning.label_losses import LOSSES
from worker.learning.metrics import Judged, confusion_matrix, measure, per_label
from worker.learning.report.plots import (
    LabelRange,
    Selection,
    cost_figure,
    reliability_figure,
    risk_coverage_figure,
    thresholds_figure,
)
from worker.learning.selective import Area, areas

if TYPE_CHECKING:
    from worker.learning.calibrate import Calibrated

TEMPLATE = "page.html.j2"
MIDDLE = (0.05, 0.5, 0.95)


@dataclass(frozen=True)
class Subject:
    """What was judged, for the heading: the model or predictions and the data as they were named, and the policy;
    `agreement`: how far the model stood from float32 when it was exported."""

    model: str
    data: str
    policy: Policy | None
    agreement: AgreementRecord | None = None


@dataclass(frozen=True)
class Tile:
    """One figure to see at a glance."""

    value: str
    name: str


def evaluation_page(judged: Judged, subject: Subject) -> str:
    """The page of `evaluate`. Raises ConfigError when the `learning` extra is missing."""
    selection = _judged_selection(judged, subject.policy)
    values = measure(judged)
    return _rendered(
        judged,
        selection,
        heading=subject.model,
        data=subject.data,
        policy=subject.policy,
        tiles=_tiles(values, judged),
        written_by="evaluate",
        reliability=reliability_figure(judged),
        areas=areas(selection.confidence, selection.loss),
        agreement=subject.agreement,
    )


def calibration_page(made: Calibrated, *, data: str) -> str:
    """The page of `calibrate`. Raises ConfigError when the `learning` extra is missing."""
    chosen, guarantee = made.chosen, made.policy.guarantee
    selection = Selection(
        chosen.confidence,
        chosen.loss,
        coverage=made.coverage,
        risk=chosen.risk,
        bound=min(1.0, chosen.bound),
        target=guarantee.target_risk if guarantee else None,
    )
    before, after = made.quality_before, made.quality_after
    names = {"ece": "ECE", "classwise_ece": "classwise ECE", "brier": "Brier score", "nll": "negative log-likelihood"}
    return _rendered(
        made.after,
        selection,
        heading=made.policy.model.name,
        data=data,
        policy=made.policy,
        tiles=[
            Tile(_percent(made.coverage), "coverage"),
            Tile(_percent(chosen.risk), "risk among accepted"),
            Tile(_percent(selection.bound), "its upper bound"),
            Tile(f"{1000 * (1 - made.coverage):.0f}", "reviews per 1 000 texts"),
            Tile(f"{1000 * made.coverage * chosen.risk:.1f}", "errors per 1 000 texts"),
        ],
        written_by="calibrate",
        reliability=reliability_figure(made.after, made.before if made.policy.groups is None else None),
        areas=areas(chosen.confidence, chosen.loss),
        quality=[(name, getattr(before, key), getattr(after, key)) for key, name in names.items()],
        bounds=chosen.label_bounds,
        score_areas=chosen.score_areas if len(chosen.score_areas) > 1 else {},
        remarks=made.remarks,
        fitted=made.fitted,
    )


def _rendered(
    judged: Judged,
    selection: Selection,
    *,
    heading: str,
    data: str,
    policy: Policy | None,
    tiles: Sequence[Tile],
    written_by: str,
    reliability: str,
    areas: Mapping[str, Area],
    **more: Any,
) -> str:
    require(REPORTS, purpose="a report")
    from jinja2 import Environment, FileSystemLoader

    explanation = explain(policy) if policy else None
    lines = explanation.labels if explanation else ()
    environment = Environment(loader=FileSystemLoader(Path(__file__).parent), autoescape=True, trim_blocks=True)
    values = {
        "agreement": None,
        "quality": [],
        "bounds": {},
        "score_areas": {},
        "remarks": (),
        "fitted": 0,
        **more,
        "heading": heading,
        "data": data,
        "texts": len(judged.truth),
        "answers": judged.label_names,
        "multi_label": judged.multi_label,
        "tiles": tiles,
        "written_by": written_by,
        "explanation": explanation,
        "reliability": reliability,
        "risk": risk_coverage_figure(selection),
        "cost": cost_figure(selection),
        "thresholds": thresholds_figure(_ranges(judged, lines)) if lines else None,
        "areas": areas,
        "confusion": _confusion_rows(judged.kept()),
        "pairs": _label_counts(judged.kept()),
        "labels": per_label(judged),
        "kept": per_label(judged.kept()),
        "given": dict(zip(judged.label_names, judged.kept().answers.sum(axis=0).tolist(), strict=True)),
        "lines": {line.label: line for line in lines},
    }
    return environment.get_template(TEMPLATE).render(**values)


def _judged_selection(judged: Judged, policy: Policy | None) -> Selection:
    """The curve of what the policy bounds; without one of the most likely label."""
    guarantee = policy.guarantee if policy else None
    bounded = guarantee.risk if guarantee else None
    if bounded in LOSSES:
        loss = LOSSES[str(bounded)](judged.answers, judged.truth)
    elif bounded == "false_negatives":
        missed = (judged.truth & ~judged.answers).sum(axis=1)
        loss = np.asarray(missed / np.maximum(judged.truth.sum(axis=1), 1), dtype=np.float64)
    else:
        loss = judged.top_wrong
    accepted = judged.accepted
    return Selection(
        judged.ranking,
        loss,
        coverage=float(accepted.mean()),
        risk=float(loss[accepted].mean()) if accepted.any() else None,
        target=guarantee.target_risk if guarantee else None,
    )


def _tiles(values: dict[str, Any], judged: Judged) -> list[Tile]:
    right = "exactly right sets" if judged.multi_label else "accuracy"
    micro = [Tile(f"{values['micro_f1']:.3f}", "micro F1")] if judged.multi_label else []
    return [
        Tile(_percent(values["accuracy"]), right),
        Tile(f"{values['macro_f1']:.3f}", "macro F1"),
        *micro,
        Tile(f"{values['weighted_f1']:.3f}", "weighted F1"),
        Tile(f"{values['ece']:.3f}", "calibration error"),
        Tile(f"{values['brier']:.3f}", "Brier score"),
        Tile(_percent(values["coverage"]), "coverage"),
        Tile(_percent(values["selective_risk"]), "selective risk"),
        Tile(f"{values['aurc']:.4f}", "AURC"),
        Tile(f"{values['augrc']:.4f}", "AUGRC"),
    ]


def _ranges(judged: Judged, lines: Sequence[LabelLine]) -> list[LabelRange]:
    """Multi-label: scores of the texts that truly have the label; else confidences of those answered with it."""
    ranges = []
    for column, line in enumerate(lines):
        if judged.multi_label:
            scores = judged.scores[judged.truth[:, column], column]
        else:
            scores = judged.ranking[judged.answers[:, column]]
        low, middle, high = np.quantile(scores, MIDDLE).tolist() if len(scores) else (None, None, None)
        ranges.append(LabelRange(line.label, low, middle, high, on=line.on, off=line.off))
    return ranges


def _confusion_rows(judged: Judged) -> list[tuple[str, list[tuple[int, float]]]] | None:
    """Single-label: for each true label the counts by answer, each with its share of the row."""
    if judged.multi_label:
        return None
    counts = confusion_matrix(judged)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    return [
        (name, list(zip(counts[row].tolist(), shares[row].tolist(), strict=True)))
        for row, name in enumerate(judged.label_names)
    ]


def _label_counts(judged: Judged) -> dict[str, list[int]] | None:
    """Multi-label: true positives, false positives, false negatives of each label."""
    if not judged.multi_label:
        return None
    matrices = confusion_matrix(judged)
    return {
        name: [int(matrix[1, 1]), int(matrix[0, 1]), int(matrix[1, 0])]
        for name, matrix in zip(judged.label_names, matrices, strict=True)
    }


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.2f} %"
