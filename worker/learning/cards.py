"""Model cards of the builtin models, written by the recipe from what it measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from worker.inference.agreement import Agreement
from worker.learning.linear_floor import FloorScore
from worker.learning.other_domains import USUAL, Separation


@dataclass(frozen=True, kw_only=True)
class CardText:
    """What a card says that no measurement gives."""

    title: str
    summary: str
    licence: str
    data: str
    origin: str
    slices: str
    limits: str


@dataclass(frozen=True, kw_only=True)
class Measured:
    """What the recipe measured of one model. `judged`: the shipped form on the judging half; `reference`: the same in
    float32 torch; `whole`: the shipped form, with its own policy, on both halves."""

    sizes: Mapping[str, int]
    settings: Mapping[str, Any]
    counts: Mapping[str, int]
    temperature: float
    judged: Mapping[str, Any]
    reference: Mapping[str, Any]
    whole: Mapping[str, Any]
    floor: FloorScore
    agreement: Agreement
    others: Sequence[Separation]


def card(name: str, text: CardText, found: Measured) -> str:
    """The card as Markdown, with the header that model hubs read."""
    return "\n".join(
        [
            "---",
            "language: en",
            f"license: {text.licence}",
            "pipeline_tag: text-classification",
            "---",
            f"# {text.title}",
            "",
            f"{text.summary} Named `builtin:{name}` wherever emostream takes a model.",
            "",
            "## Data and licences",
            text.data,
            "",
            "## How it was made",
            text.origin,
            "",
            f"`make models` runs the whole recipe (`worker/learning/recipe.py`). {text.slices}",
            "",
            f"Learned from {found.counts['train']} texts, tuned on {found.counts['tune']}, judged on "
            f"{found.counts['judge']}. Temperature {found.temperature:.3f}, folded into the output layer. Settings: "
            + ", ".join(f"`{key}` {value}" for key, value in found.settings.items())
            + ".",
            "",
            "## Quality",
            f"On the judging half ({found.counts['judge']} texts), which decided nothing:",
            "",
            *_quality_table(found),
            "",
            *_label_table(found.judged),
            "",
            _reproduction(name, found),
            "",
            "## Texts of other kinds",
            _OTHER_KINDS,
            "",
            *_other_kinds(found.others),
            "",
            "## The form that ships",
            _form(found),
            "",
            "## Limits",
            text.limits,
            "",
        ]
    )


def write_card(folder: Path, name: str, text: CardText, found: Measured) -> None:
    """Write `README.md` into the model's folder."""
    (folder / "README.md").write_text(card(name, text, found))


_OTHER_KINDS = (
    "`surprise.npz` says how rare each token is in the training texts. A policy can send texts that are too "
    "surprising, or too short to tell, to review. *Found*: share of texts with fewer than two content tokens, or above "
    "the surprise that 1 % of held-out texts exceed. AUROC: the chance that a text of that kind has more of it than a "
    "held-out text of the model's own domain. All but the last two kinds are made from templates "
    "(`worker/learning/other_domains.py`)."
)


def _quality_table(found: Measured) -> list[str]:
    multi_label = found.judged["task"] == "multi_label"
    first = "micro-F1" if multi_label else "accuracy"
    rows = [
        ("this model", found.judged),
        ("the same in float32 (torch)", found.reference),
    ]
    lines = [f"| | {first} | macro-F1 | ECE (15 bins) | Brier | AURC |", "|---|---|---|---|---|---|"]
    lines += [
        f"| {title} | {values['micro_f1']:.4f} | {values['macro_f1']:.4f} | {values['ece']:.4f} | "
        f"{values['brier']:.4f} | {values['aurc']:.4f} |"
        for title, values in rows
    ]
    return [*lines, f"| linear floor (TF-IDF) | {found.floor.micro_f1:.4f} | {found.floor.macro_f1:.4f} | | | |"]


def _label_table(values: Mapping[str, Any]) -> list[str]:
    return [
        "| label | precision | recall | F1 | texts |",
        "|---|---|---|---|---|",
        *(
            f"| {label} | {row['precision']:.3f} | {row['recall']:.3f} | {row['f1']:.3f} | {row['support']} |"
            for label, row in values["per_label"].items()
        ),
    ]


def _reproduction(name: str, found: Measured) -> str:
    whole, halves = found.whole, found.counts["tune"] + found.counts["judge"]
    first = "micro-F1" if whole["task"] == "multi_label" else "accuracy"
    return (
        f"To reproduce: `emostream evaluate --model builtin:{name} --data build/models/slices/{name}/all.jsonl` over "
        f"both halves ({halves} texts, a little optimistic, since one half was tuned on) gives {first} "
        f"{whole['micro_f1']:.4f}, macro-F1 {whole['macro_f1']:.4f}, ECE {whole['ece']:.4f}."
    )


def _other_kinds(others: Sequence[Separation]) -> list[str]:
    return [
        "| kind | found | AUROC of token surprise | AUROC of 1 - maximum probability |",
        "|---|---|---|---|",
        *(
            f"| {each.kind} | {each.found:.3f} | | |"
            if each.kind == USUAL
            else f"| {each.kind} | {each.found:.3f} | {each.surprise:.3f} | {each.doubt:.3f} |"
            for each in others
        ),
    ]


def _form(found: Measured) -> str:
    sizes = ", ".join(f"`{name}` {size / 1e6:.2f} MB" for name, size in found.sizes.items())
    same = found.agreement
    return (
        f"{sizes}; {sum(found.sizes.values()) / 1e6:.2f} MB in all. The OpenVINO form stores weights as int8 with one "
        f"scale for each row and computes in float32. Against float32 torch, over {same.texts} texts, its "
        f"probabilities differ by {same.largest:.4f} at most and {same.p99:.4f} at the 99th percentile; "
        f"{100 * same.same_answer:.2f} % of the texts get the same most likely label."
    )
