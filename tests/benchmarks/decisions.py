"""Do the promises hold? Calibrate again and again on bootstrap samples and look at the risk that came of it.

The pool are texts that the model has not learned from. Each repetition draws a calibration sample from it and does all
that a calibration does (temperature, threshold); the true risk is then that of the whole pool. A promise with
confidence C may be broken in a share of 1 - C of the repetitions. Beside it stands the share broken when one random
half of the pool calibrates and the other judges, which overstates: the other half is a small sample itself, and errors
that one half lacks the other has.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from rich.console import Console
from rich.progress import track

from tests.benchmarks.decision_cost import cost
from tests.benchmarks.decision_methods import (
    BUDGET,
    MULTI_LABEL,
    SINGLE_LABEL,
    Method,
    Numbers,
    Outcome,
    Pool,
    Sample,
)
from tests.benchmarks.drift import drift_study
from worker.inference.loading import load_engine
from worker.learning.datasets import LabelledTexts
from worker.learning.guarantees import Promise
from worker.learning.recipe import emotion_parts, goemotions_parts
from worker.learning.shipping import scores

SEED = 20
CONFIDENCE = 0.9
SINGLE_TARGETS = (0.05, 0.02, 0.01)
MULTI_TARGETS = (0.4, 0.3, 0.2, 0.1, 0.05, 0.02, 0.01)
BUDGETS = (0.2, 0.1, 0.05)
CURVE_POINTS = 120
CLOUD = ("LTT fixed sequence (default)", "empirical (promises nothing)")
"""Methods whose every repetition is kept, for the figure."""


@dataclass(frozen=True)
class Line:
    """One method at one target over all repetitions: means of coverage and risk, shares of repetitions with a broken
    promise (by the pool; by the other half) and without any threshold."""

    method: str
    target: float
    coverage: float
    risk: float
    broken: float
    broken_halves: float
    without: float

    @classmethod
    def of(cls, method: str, target: float, pairs: Sequence[tuple[Outcome, Outcome]]) -> Line:
        return cls(
            method,
            target,
            coverage=float(np.mean([whole.coverage for whole, _ in pairs])),
            risk=float(np.mean([whole.risk for whole, _ in pairs])),
            broken=float(np.mean([whole.risk > target for whole, _ in pairs])),
            broken_halves=float(np.mean([half.risk > target for _, half in pairs])),
            without=float(np.mean([whole.coverage == 0.0 for whole, _ in pairs])),
        )


Pairs = Mapping[tuple[str, float], list[tuple[Outcome, Outcome]]]


def main(
    data: Annotated[Path, typer.Option(help="The folder that holds emotion/ and goemotions/.", exists=True)],
    repetitions: Annotated[int, typer.Option(help="Calibrations for each line.")] = 200,
    size: Annotated[int, typer.Option(help="Calibration texts, single-label.")] = 1000,
    multi_size: Annotated[int, typer.Option(help="Calibration texts, multi-label.")] = 2713,
    out: Annotated[Path, typer.Option(help="JSON file for the figures.")] = Path("docs/figures/decisions.json"),
    only: Annotated[list[str] | None, typer.Option(help="Measure only these parts again.")] = None,
) -> None:
    """Print the tables of docs/decisions.md: promises, drift, the cost of deciding."""
    emotion, goemotions = emotion_parts(data), goemotions_parts(data)
    parts: dict[str, Callable[[], Any]] = {
        "builtin:emotion": lambda: single("builtin:emotion", emotion.held, repetitions, size),
        "builtin:emotion-tiny": lambda: single("builtin:emotion-tiny", emotion.held, repetitions, size),
        "builtin:goemotions": lambda: multi("builtin:goemotions", goemotions.held, repetitions, multi_size),
        "drift": lambda: drift_study(_confidences(emotion.held), _confidences(goemotions.judge)),
        "cost_ms": cost,
    }
    found = json.loads(out.read_text()) if out.is_file() else {}
    for name, measure in parts.items():
        if only is None or name in only:
            found[name] = measure()
            out.parent.mkdir(parents=True, exist_ok=True)
            lines = (f"{json.dumps(key)}: {json.dumps(found[key])}" for key in parts if key in found)
            out.write_text("{\n" + ",\n".join(lines) + "\n}\n")
    print("\ndrift:", {key: value for key, value in found.get("drift", {}).items() if key != "psi"})
    print(f"512 texts of 28 labels, milliseconds: {found.get('cost_ms')}")


def single(name: str, texts: LabelledTexts, repetitions: int, size: int) -> dict[str, Any]:
    """One answer for each text, and budgets (ten times as often: they are quick)."""
    pool = scored(name, texts)
    pairs = study(pool, SINGLE_LABEL, SINGLE_TARGETS, repetitions, size)
    spent = study(pool, BUDGET, BUDGETS, 10 * repetitions, size)
    return {
        "texts": len(texts),
        "lines": show(name, pairs, SINGLE_TARGETS),
        "budget": show(name, spent, BUDGETS),
        "curve": curve(pool),
        "cloud": cloud(pairs),
    }


def multi(name: str, texts: LabelledTexts, repetitions: int, size: int) -> dict[str, Any]:
    """Several labels for each text."""
    pairs = study(scored(name, texts), MULTI_LABEL, MULTI_TARGETS, repetitions, size)
    return {"texts": len(texts), "lines": show(name, pairs, MULTI_TARGETS)}


def scored(name: str, texts: LabelledTexts) -> Pool:
    """What the model says of the texts, beside the truth."""
    engine = load_engine(name)
    try:
        return Pool(
            scores(engine, texts.texts).astype(np.float64),
            _truth(texts, engine.info.labels),
            engine.info.task,
            engine.info.labels,
        )
    finally:
        engine.close()


def _truth(texts: LabelledTexts, labels: tuple[str, ...]) -> np.ndarray:
    return texts.targets()[:, [texts.label_names.index(label) for label in labels]] > 0


def _confidences(texts: LabelledTexts) -> Numbers:
    """How sure the emotion model is of its own texts, or of others."""
    engine = load_engine("builtin:emotion")
    try:
        return scores(engine, texts.texts).max(axis=1).astype(np.float64)
    finally:
        engine.close()


def study(pool: Pool, methods: Mapping[str, Method], targets: Sequence[float], repetitions: int, size: int) -> Pairs:
    """Every method at every target, over the same samples: what came of it by the pool, and by the other half."""
    rng = np.random.default_rng(SEED)
    everything = np.arange(len(pool.scores))
    outcomes: dict[tuple[str, float], list[tuple[Outcome, Outcome]]] = {}
    for _ in track(range(repetitions), description="calibrating", console=Console(stderr=True)):
        whole = Sample.of(pool, rng.choice(everything, size))
        one, other = np.array_split(rng.permutation(everything), 2)
        half = Sample.of(pool, one)
        for name, method in methods.items():
            for target in targets:
                promise = Promise(target, CONFIDENCE)
                pair = method(whole, promise)(everything), method(half, promise)(other)
                outcomes.setdefault((name, target), []).append(pair)
    return outcomes


def show(name: str, pairs: Pairs, targets: Sequence[float]) -> list[dict[str, object]]:
    """Print a table: a line for each method, in each cell coverage / broken / broken by halves / no threshold."""
    lines = {key: Line.of(*key, each) for key, each in pairs.items()}
    print(f"\n{name}\n\n| method | " + " | ".join(f"{100 * target:g} %" for target in targets) + " |")
    print("|---" * (1 + len(targets)) + "|")
    for method in dict.fromkeys(method for method, _ in lines):
        row = [lines[method, target] for target in targets]
        print(f"| {method} | " + " | ".join(map(_cell, row)) + " |", flush=True)
    return [{key: _rounded(value) for key, value in asdict(line).items()} for line in lines.values()]


def _rounded(value: object) -> object:
    return round(value, 5) if isinstance(value, float) else value


def _cell(line: Line) -> str:
    if line.without == 1.0:
        return "none"
    return f"{line.coverage:.3f} / {line.broken:.3f} / {line.broken_halves:.2f} / {line.without:.2f}"


def cloud(pairs: Pairs) -> dict[str, list[tuple[float, float]]]:
    """Coverage and true risk of each repetition at 2 %."""
    return {
        method: [(round(whole.coverage, 4), round(whole.risk, 5)) for whole, _ in pairs[method, 0.02]]
        for method in CLOUD
    }


def curve(pool: Pool) -> list[tuple[float, float]]:
    """Coverage and selective risk of the pool, from strict to loose."""
    order = np.argsort(-pool.scores.max(axis=1), kind="stable")
    wrong = ~pool.truth[np.arange(len(pool.truth)), pool.scores.argmax(axis=1)][order]
    places = np.unique(np.linspace(len(wrong) / 10, len(wrong) - 1, CURVE_POINTS).astype(int))
    risk = np.cumsum(wrong) / np.arange(1, len(wrong) + 1)
    return [(round((place + 1) / len(wrong), 4), round(float(risk[place]), 5)) for place in places.tolist()]


if __name__ == "__main__":
    typer.run(main)
