"""The options of `emostream calibrate`, in the panels of its help."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from worker.cli.classify import Backend, Precision
from worker.learning.choices import LabelThresholds, Method, Risk, Scaling, Score

PROMISE, RULES, TEXTS, AFTER, ENGINE = "Promise", "Rules beside it", "Texts", "Once it runs", "Engine"
TargetRisk = Annotated[
    float | None,
    typer.Option(min=0.0, max=1.0, help="Largest share of wrong answers among the accepted.", rich_help_panel=PROMISE),
]
Confidence = Annotated[
    float,
    typer.Option(min=0.5, max=0.9999, help="Probability with which the promise holds.", rich_help_panel=PROMISE),
]
RiskOption = Annotated[
    Risk | None,
    typer.Option(
        help="What is bounded: selective_risk (wrong answers; default for one label), label_risk (of every label by "
        "itself, all at once), wrong_emitted (wrong labels of a text; default for several), exact_match_error, "
        "false_negatives (missed labels, on average).",
        rich_help_panel=PROMISE,
    ),
]
MethodOption = Annotated[
    Method,
    typer.Option(
        help="ltt: learn then test, the highest coverage; sgr: Geifman & El-Yaniv; budget: review at most "
        "--review-share; fixed: --threshold; empirical: no promise.",
        rich_help_panel=PROMISE,
    ),
]
ReviewShare = Annotated[
    float | None,
    typer.Option(min=0.0, max=1.0, help="With budget: send at most this share to review.", rich_help_panel=PROMISE),
]
Threshold = Annotated[
    float | None,
    typer.Option(min=0.0, max=1.0, help="With fixed: accept from this confidence on.", rich_help_panel=PROMISE),
]
ScoreOption = Annotated[
    Score,
    typer.Option(
        help="What confidence is; best: the one with the smallest area under the risk-coverage curve.",
        rich_help_panel=PROMISE,
    ),
]
ScalingOption = Annotated[
    Scaling,
    typer.Option(
        help="How scores are made honest; auto: one temperature, for several labels Platt's of each.",
        rich_help_panel=PROMISE,
    ),
]
LabelThresholdsOption = Annotated[
    LabelThresholds,
    typer.Option(
        help="Several labels: where each begins; f1: where its F1 is best, common: one for all. (By precision: "
        "--risk label_risk.)",
        rich_help_panel=RULES,
    ),
]
MinMargin = Annotated[
    float | None,
    typer.Option(min=0.0, max=1.0, help="Review when the two best are closer than this.", rich_help_panel=RULES),
]
Watch = Annotated[
    str, typer.Option(help="Labels, by commas, that a person always sees.", rich_help_panel=RULES, metavar="LABELS")
]
DoubtLabel = Annotated[
    str | None,
    typer.Option(help="Answer this between two labels instead of abstaining; no promise.", rich_help_panel=RULES),
]
DoubtMargin = Annotated[
    float, typer.Option(min=0.0, max=1.0, help="… when they are closer than this.", rich_help_panel=RULES)
]
Exclusive = Annotated[
    str,
    typer.Option(help="Labels, by commas, that contradict any other.", rich_help_panel=RULES, metavar="LABELS"),
]
MaxLabels = Annotated[int | None, typer.Option(min=1, help="Review when there are more.", rich_help_panel=RULES)]
OffRisk = Annotated[
    float | None,
    typer.Option(
        min=0.0,
        max=1.0,
        help="Three zones: a label is off only where at most this share of texts has it, else unsure.",
        rich_help_panel=RULES,
    ),
]
Groups = Annotated[
    Path | None,
    typer.Option(
        help="JSON or YAML, group: [labels]: answer with groups, and promise for them.", rich_help_panel=RULES
    ),
]
FalseAlarmRate = Annotated[
    float | None,
    typer.Option(
        min=0.0,
        max=0.5,
        help="Share of texts like these that may be called out of domain; 0: no such check. Default: 0.01 where the "
        "model has a table of token surprise.",
        rich_help_panel=TEXTS,
    ),
]
MinTokens = Annotated[
    int | None,
    typer.Option(
        min=0, help="Review shorter texts; 0: none. Default: 2, where there is that table.", rich_help_panel=TEXTS
    ),
]
ReviewTruncated = Annotated[
    bool, typer.Option("--review-truncated", help="Review texts longer than the model reads.", rich_help_panel=TEXTS)
]
AuditRate = Annotated[
    float,
    typer.Option(min=0.0, max=1.0, help="Share of accepted texts copied to review by chance.", rich_help_panel=AFTER),
]
AuditStrata = Annotated[
    int, typer.Option(min=1, max=50, help="More copies where doubt is greater; 1: all alike.", rich_help_panel=AFTER)
]
DriftAlarms = Annotated[
    float,
    typer.Option(
        min=0.0, max=0.5, help="False drift alarms a day, in probability; 0: no watch.", rich_help_panel=AFTER
    ),
]
VoidGuarantee = Annotated[
    bool,
    typer.Option("--void-guarantee", help="After a drift alarm accept nothing any more.", rich_help_panel=AFTER),
]
BackendOption = Annotated[Backend, typer.Option(help="What runs it.", rich_help_panel=ENGINE)]
PrecisionOption = Annotated[
    Precision, typer.Option(help="What it computes in: the policy belongs to it.", rich_help_panel=ENGINE)
]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.", rich_help_panel=ENGINE)]
Revision = Annotated[str | None, typer.Option(help="Hub branch, tag or commit.", rich_help_panel=ENGINE)]
