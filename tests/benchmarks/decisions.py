"""Do the promises hold? Calibrate again and again on bootstrap samples and look at the risk that came of it.

The pool are texts that the model has not learned from. Each repetition draws a calibration sample from it and does all
that a calibration does (temperature, threshold); the true risk is then that of the whole pool. A promise with
confidence C may be broken in a share of 1 - C of the repetitions. Beside it stands the share broken when one random
half of the pool calibrates and the other judges, which overstates: the other half is a small sample itself, and errors
that one half lacks the other has. MAPIE is run where it is installed.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track

from worker.decision.confidence import SINGLE_SCORES, mean_emitted, set_probability
from worker.decision.evidence import Evidence
from worker.decision.policy import rule_for
from worker.inference.loading import load_engine
from worker.learning.calibration import best_score, fit_multi, fit_single
from worker.learning.datasets import LabelledTexts
from worker.learning.evaluate import judge_model
from worker.learning.guarantees import METHODS, Promise, Selected, learn_then_test, per_label
from worker.learning.label_sets import (
    common_threshold,
    conformal_false_negatives,
    exact_match_error,
    precision_thresholds,
    wrong_emitted,
)
from worker.learning.recipe import Parts, emotion_parts, goemotions_parts
from worker.learning.thresholds import f1_thresholds
from worker.records import ModelInfo, Task

Numbers = NDArray[np.float64]
Rows = NDArray[np.intp]

SEED = 20
CONFIDENCE = 0.9
SINGLE_TARGETS = (0.05, 0.02, 0.01)
MULTI_TARGETS = (0.4, 0.3, 0.2, 0.1)
MAPIE_CANDIDATES = 60
FIT_SHARE = 0.3
"""Multi-label: the share of the calibration texts that calibrates the scores and sets F1 thresholds. The others prove
the promise: with some eighty numbers fitted on the same texts, it would be broken."""


@dataclass(frozen=True)
class Pool:
    """`scores` float64 and `truth` bool [texts, labels] of texts the model has not learned from."""

    scores: Numbers
    truth: NDArray[np.bool_]
    task: Task


@dataclass(frozen=True)
class Outcome:
    """What came of one calibration on the texts that judge it: share accepted, mean loss among them (0 without)."""

    coverage: float
    risk: float

    @classmethod
    def of(cls, accepted: NDArray[np.bool_], loss: Numbers) -> Outcome:
        return cls(float(accepted.mean()), float(loss[accepted].mean()) if accepted.any() else 0.0)


@dataclass(frozen=True)
class Sample:
    """Calibrated `scores` of the whole pool, the labels `emitted` (multi-label: from F1 thresholds on), and the `rows`
    of the texts that may prove a promise."""

    pool: Pool
    scores: Numbers
    emitted: NDArray[np.bool_]
    rows: Rows

    @cached_property
    def wrong(self) -> Numbers:
        """1 where the most likely label is not a true one [texts]."""
        right = self.pool.truth[np.arange(len(self.scores)), self.scores.argmax(axis=1)]
        return np.asarray(~right, dtype=np.float64)

    @classmethod
    def of(cls, pool: Pool, rows: Rows) -> Sample:
        """All that is fitted before the promise: temperature, or scaling and F1 thresholds of each label."""
        if pool.task is Task.SINGLE_LABEL:
            scores = fit_single(pool.scores[rows], pool.truth[rows]).apply(pool.scores)
            return cls(pool, scores, np.zeros_like(pool.truth), rows)
        fit, rest = np.split(rows, [int(FIT_SHARE * len(rows))])
        scores = fit_multi(pool.scores[fit], pool.truth[fit]).apply(pool.scores)
        return cls(pool, scores, scores >= f1_thresholds(scores[fit], pool.truth[fit].astype(np.float64)), rest)


Method = Callable[[Sample, Promise], Callable[[Rows], Outcome]]
"""Keeps a promise by some texts of the pool; the result judges other ones."""


@dataclass(frozen=True)
class Line:
    """One method at one target over all repetitions."""

    method: str
    target: float
    coverage: float
    risk: float
    broken: float
    broken_halves: float
    without: float


def main(
    data: Annotated[Path, typer.Option(help="The folder that holds emotion/ and goemotions/.", exists=True)],
    repetitions: Annotated[int, typer.Option(help="Calibrations for each line.")] = 200,
    size: Annotated[int, typer.Option(help="Calibration texts, single-label.")] = 1000,
    multi_size: Annotated[int, typer.Option(help="Calibration texts, multi-label.")] = 2713,
    out: Annotated[Path | None, typer.Option(help="JSON file for the figures.")] = None,
) -> None:
    """Print a table for each model, as it stands in docs/decisions.md, and the cost of deciding."""
    found: dict[str, object] = {}
    for name in ("builtin:emotion", "builtin:emotion-tiny"):
        pool = scored(name, *_held_out(emotion_parts(data)))
        found[name] = show(name, pool, study(pool, SINGLE_LABEL, SINGLE_TARGETS, repetitions, size))
    pool = scored("builtin:goemotions", *_held_out(goemotions_parts(data)))
    found["builtin:goemotions"] = show(
        "builtin:goemotions", pool, study(pool, MULTI_LABEL, MULTI_TARGETS, max(1, repetitions // 2), multi_size)
    )
    found["cost_ms"] = cost()
    print(f"\n512 texts of 28 labels decided in {found['cost_ms']} ms")
    if out is not None:
        out.write_text(json.dumps(found, indent=2))


def scored(name: str, *parts: LabelledTexts) -> Pool:
    """What the model says of the texts, beside the truth."""
    engine = load_engine(name)
    try:
        rule = rule_for(engine.info, None, min_confidence=0.0)
        judged = [judge_model(engine, rule, part) for part in parts]
    finally:
        engine.close()
    return Pool(
        np.concatenate([each.scores for each in judged]),
        np.concatenate([each.truth for each in judged]),
        engine.info.task,
    )


def study(
    pool: Pool, methods: Mapping[str, Method], targets: Sequence[float], repetitions: int, size: int
) -> list[Line]:
    """Every method at every target, over the same samples."""
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
    return [_line(name, target, pairs) for (name, target), pairs in outcomes.items()]


def _line(method: str, target: float, pairs: Sequence[tuple[Outcome, Outcome]]) -> Line:
    return Line(
        method,
        target,
        coverage=float(np.mean([whole.coverage for whole, _ in pairs])),
        risk=float(np.mean([whole.risk for whole, _ in pairs])),
        broken=float(np.mean([whole.risk > target for whole, _ in pairs])),
        broken_halves=float(np.mean([half.risk > target for _, half in pairs])),
        without=float(np.mean([whole.coverage == 0.0 for whole, _ in pairs])),
    )


def show(name: str, pool: Pool, lines: Sequence[Line]) -> list[dict[str, object]]:
    print(f"\n{name}: {len(pool.scores)} texts\n")
    print("| method | target | coverage | mean risk | broken | broken, halves | no threshold |")
    print("|---|---|---|---|---|---|---|")
    shown = []
    for line in lines:
        shares = (
            f"{line.coverage:.3f} | {line.risk:.3f} | {line.broken:.3f} | {line.broken_halves:.3f} | {line.without:.2f}"
        )
        print(f"| {line.method} | {line.target:g} | {shares} |", flush=True)
        shown.append(asdict(line))
    return shown


def selecting(select: Callable[[Numbers, Numbers, Promise], Selected | None], *, choose_score: bool = False) -> Method:
    """One threshold for single answers."""

    def method(sample: Sample, promise: Promise) -> Callable[[Rows], Outcome]:
        truth = sample.pool.truth[sample.rows]
        name = best_score(sample.scores[sample.rows], truth)[0] if choose_score else "max_probability"
        return _by_threshold(SINGLE_SCORES[name](sample.scores), sample.wrong, sample, promise, select)

    return method


def each_label(sample: Sample, promise: Promise) -> Callable[[Rows], Outcome]:
    """A threshold for every label; judged by the label that fares worst."""
    score, label, wrong, rows = sample.scores.max(axis=1), sample.scores.argmax(axis=1), sample.wrong, sample.rows
    labels = sample.scores.shape[1]
    chosen = per_label(score[rows], wrong[rows], label[rows], promise, labels=labels)
    accepted = score >= np.array([each.threshold if each else np.inf for each in chosen])[label]

    def judge(others: Rows) -> Outcome:
        parts = [accepted[others] & (label[others] == number) for number in range(labels)]
        return Outcome(float(accepted[others].mean()), max(Outcome.of(part, wrong[others]).risk for part in parts))

    return judge


def one_threshold(sample: Sample, promise: Promise) -> Callable[[Rows], Outcome]:
    """All labels from one threshold on; the loss is the share of a text's emitted labels that are wrong."""
    truth = sample.pool.truth
    chosen = common_threshold(sample.scores[sample.rows], truth[sample.rows], promise)
    emitted = sample.scores >= (chosen.threshold if chosen else np.inf)
    return lambda others: Outcome.of(emitted[others].any(axis=1), wrong_emitted(emitted[others], truth[others]))


def by_item(loss_of: Callable[..., Numbers], score_of: Callable[..., Numbers]) -> Method:
    """Labels from their F1 thresholds on; texts accepted from a confidence of their set of labels on."""

    def method(sample: Sample, promise: Promise) -> Callable[[Rows], Outcome]:
        score = np.where(sample.emitted.any(axis=1), score_of(sample.scores, sample.emitted), np.nan)
        return _by_threshold(score, loss_of(sample.emitted, sample.pool.truth), sample, promise, learn_then_test)

    return method


def every_label(sample: Sample, promise: Promise) -> Callable[[Rows], Outcome]:
    """Precision of every label at once; coverage is the share of labels that have a threshold."""
    truth = sample.pool.truth
    chosen = precision_thresholds(sample.scores[sample.rows], truth[sample.rows], promise)
    emitted = sample.scores >= np.array([each.threshold if each else np.inf for each in chosen])

    def judge(others: Rows) -> Outcome:
        wrong = (emitted[others] & ~truth[others]).sum(axis=0) / np.maximum(emitted[others].sum(axis=0), 1)
        return Outcome(float(np.mean([each is not None for each in chosen])), float(wrong.max()))

    return judge


def few_missed(sample: Sample, promise: Promise) -> Callable[[Rows], Outcome]:
    """Missed true labels, bounded on average only; coverage is the share of pairs of text and label emitted."""
    truth = sample.pool.truth
    threshold = conformal_false_negatives(sample.scores[sample.rows], truth[sample.rows], promise.target_risk)
    emitted = sample.scores >= (0.0 if threshold is None else threshold)
    missed = (truth & ~emitted).sum(axis=1) / np.maximum(truth.sum(axis=1), 1)
    return lambda others: Outcome(float(emitted[others].mean()), float(missed[others].mean()))


def mapie(fwer_method: str) -> Callable[[Numbers, Numbers, Promise], Selected | None]:
    """MAPIE's controller of precision over quantiles of the score, strictest first."""

    def select(score: Numbers, wrong: Numbers, promise: Promise) -> Selected | None:
        from mapie.risk_control import BinaryClassificationController

        fewest = max(2 * np.log(promise.delta) / np.log(1.0 - promise.target_risk), len(score) / 10)
        ranked = np.sort(score)[::-1]
        places = np.linspace(min(fewest, len(score) - 1), len(score) - 1, MAPIE_CANDIDATES).astype(int)
        controller = BinaryClassificationController(
            lambda given: np.c_[1.0 - given, given],
            "precision",
            1.0 - promise.target_risk,
            confidence_level=promise.confidence,
            list_predict_params=np.unique(ranked[places])[::-1],
            fwer_method=fwer_method,
        )
        controller.calibrate(score, (1.0 - wrong).astype(int))
        threshold = controller.best_predict_param
        return None if threshold is None else Selected(float(threshold), 1, 1, 0.0, 0.0)

    return select


def cost(*, waves: int = 200) -> dict[str, float]:
    """Median milliseconds for a wave of 512 texts of 28 labels, decisions built and all."""
    rng = np.random.default_rng(SEED)
    logits = rng.normal(-4.0, 2.0, (512, 28))
    probabilities = {
        Task.MULTI_LABEL: 1.0 / (1.0 + np.exp(-logits)),
        Task.SINGLE_LABEL: np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True),
    }
    found = {}
    for task, scores in probabilities.items():
        info = ModelInfo("m", "r", task, tuple(f"label {n}" for n in range(28)), 128, "openvino", "float32", "cpu")
        decider = rule_for(info, None, min_confidence=0.5)
        evidence = Evidence(scores.astype(np.float32), [np.zeros(20, np.int32)] * 512, np.zeros(512, np.bool_))
        took = []
        for _ in range(waves):
            began = time.perf_counter()
            decider.decide_wave(evidence)
            took.append(time.perf_counter() - began)
        found[str(task)] = round(1000 * float(np.median(took)), 3)
    return found


def _by_threshold(
    score: Numbers,
    loss: Numbers,
    sample: Sample,
    promise: Promise,
    select: Callable[[Numbers, Numbers, Promise], Selected | None],
) -> Callable[[Rows], Outcome]:
    chosen = select(score[sample.rows], loss[sample.rows], promise)
    accepted = score >= chosen.threshold if chosen else np.zeros(len(score), dtype=np.bool_)
    return lambda others: Outcome.of(accepted[others], loss[others])


def _held_out(parts: Parts) -> tuple[LabelledTexts, LabelledTexts]:
    return parts.tune, parts.judge


SINGLE_LABEL: dict[str, Method] = {
    "LTT fixed sequence (default)": selecting(learn_then_test),
    "LTT, score by AURC": selecting(learn_then_test, choose_score=True),
    "SGR": selecting(METHODS["sgr"]),
    "LTT for every label": each_label,
    "empirical (no guarantee)": selecting(METHODS["empirical"]),
}
if find_spec("mapie"):
    SINGLE_LABEL |= {
        "MAPIE fixed_sequence": selecting(mapie("fixed_sequence")),
        "MAPIE bonferroni_holm": selecting(mapie("bonferroni_holm")),
    }
MULTI_LABEL: dict[str, Method] = {
    "top label": selecting(learn_then_test),
    "emitted labels, one threshold": one_threshold,
    "emitted labels, F1 thresholds": by_item(wrong_emitted, mean_emitted),
    "exact match, F1 thresholds": by_item(exact_match_error, set_probability),
    "precision of every label": every_label,
    "missed labels (CRC, on average)": few_missed,
}

if __name__ == "__main__":
    typer.run(main)
