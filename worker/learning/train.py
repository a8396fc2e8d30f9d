"""Fine-tuning from labelled texts to a folder that `run` and `classify` take: the steps of `emostream train`.

split -> encode -> fit -> calibrate (class-weight correction and temperature, folded into the head; per-label
thresholds) -> save. The folder is in Hugging Face form, plus `policy.json` for multi-label models, `surprise.npz` (how
rare each token is) and `training.json`, the record of how it was made.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from schemas.fields import Task as SchemaTask
from schemas.policy import POLICY_SCHEMA, PerLabelThresholdsRule, Policy, PolicyEngine, PolicyModel, dump_policy
from worker.errors import DataError
from worker.inference.checkpoint import content_hash
from worker.learning import head, metrics
from worker.learning.bases import Classifier, NewEncoder, load_base, new_encoder
from worker.learning.datasets import LabelledTexts
from worker.learning.distillation import Distillation, with_teacher
from worker.learning.domain_table import store_surprise
from worker.learning.encoding import EncodedTexts
from worker.learning.fitting import Fit, FitOptions, Task, score
from worker.learning.linear_floor import FloorScore, linear_floor
from worker.learning.metrics import Judged
from worker.learning.objective import class_weights, correction, prior_bias
from worker.learning.provenance import fingerprint, sketch
from worker.learning.splits import split_indices
from worker.learning.temperature import fit_temperature, log_loss, probabilities
from worker.learning.thresholds import f1_thresholds


@dataclass(frozen=True, kw_only=True)
class TrainOptions:
    """What to train and how. `base` is a checkpoint's name or the shape of a new encoder.

    `class_weight_power` weighs rare labels by that power of their rarity (0: none, 1: fully) while training; the
    probabilities are corrected afterwards, exactly. `vocabulary` cuts a WordPiece vocabulary to that many pieces.
    """

    base: str | NewEncoder
    fit: FitOptions = field(default_factory=FitOptions)
    class_weight_power: float = 0.0
    vocabulary: int | None = None
    validation_share: float = 0.1
    max_length: int | None = None
    distillation: Distillation | None = None
    floor: bool = True


@dataclass(frozen=True)
class EpochReport:
    """Quality on the validation texts after an epoch, probabilities calibrated on those same texts."""

    number: int
    train_loss: float
    validation_loss: float
    accuracy: float
    macro_f1: float
    micro_f1: float
    ece: float


class TrainObserver(Protocol):
    """Shows a run as it goes."""

    def started(self, parameters: int, *, train: int, validation: int) -> None:
        """The model's parameters, and the texts on each side."""

    def floored(self, floor: FloorScore) -> None:
        """The linear floor on the same validation texts."""

    def step(self, done: int, total: int, *, loss: float) -> None:
        """One optimiser step of `total`."""

    def epoch(self, report: EpochReport) -> None:
        """One epoch."""


@dataclass(frozen=True)
class TrainResult:
    """The finished run; the folder holds the model of epoch `best`."""

    folder: Path
    epochs: Sequence[EpochReport]
    best: EpochReport
    floor: FloorScore | None
    temperature: float


@dataclass(frozen=True)
class Calibration:
    """How logits become honest probabilities: `(logits - shift) / temperature`; thresholds [labels] if multi-label."""

    shift: NDArray[np.float32]
    temperature: float
    thresholds: NDArray[np.float64] | None
    probabilities: NDArray[np.float64]
    loss: float


def train(
    data: LabelledTexts,
    out: Path,
    *,
    options: TrainOptions,
    observer: TrainObserver,
    validation: LabelledTexts | None = None,
) -> TrainResult:
    """Train on `data` and write the folder `out`.

    Without `validation` a share of `data` is held out for it; equal texts stay on one side. Raises DataError or
    ModelError before any training.
    """
    training, held = _parts(data, validation, share=options.validation_share, seed=options.fit.seed)
    classifier = _classifier(training, options)
    observer.started(classifier.size, train=len(training), validation=len(held))
    floor = linear_floor(training, held, held, seed=options.fit.seed) if options.floor else None
    if floor is not None:
        observer.floored(floor)
    weights = class_weights(training.targets(), power=options.class_weight_power, multi_label=data.multi_label)
    judge = _EpochJudge(held, correction(weights), observer)
    logits, best = _fitted(classifier, training, held, weights=weights, options=options, judge=judge)
    calibration = calibrated(logits, held, shift=correction(weights))
    head.fold(classifier.model, shift=calibration.shift, temperature=calibration.temperature)
    classifier.save(out)
    result = TrainResult(out, judge.reports, judge.reports[best - 1], floor, calibration.temperature)
    store_surprise(out, training=training.texts, held_back=held.texts)
    _write_record(result, options, training=training, held=held)
    if calibration.thresholds is not None:
        thresholds = dict(zip(data.label_names, calibration.thresholds.tolist(), strict=True))
        write_threshold_policy(
            out, thresholds, name=str(out), backend="torch", data=fingerprint(held.texts, held.labels)
        )
    return result


def calibrated(logits: NDArray[np.float32], data: LabelledTexts, *, shift: NDArray[np.float32]) -> Calibration:
    """Fit temperature and thresholds on `data`, whose raw logits these are."""
    wide = np.asarray(logits, dtype=np.float64) - shift
    temperature = fit_temperature(wide, data.targets(), multi_label=data.multi_label)
    chances = probabilities(wide / temperature, multi_label=data.multi_label)
    thresholds = f1_thresholds(chances, data.targets()) if data.multi_label else None
    loss = log_loss(wide / temperature, data.targets().astype(np.float64), multi_label=data.multi_label)
    return Calibration(shift, temperature, thresholds, chances, loss)


def write_threshold_policy(
    folder: Path, thresholds: Mapping[str, float], *, name: str, backend: str, data: str
) -> None:
    """Write `policy.json` beside the model it belongs to; call it when the model's files are final."""
    policy = Policy(
        schema=POLICY_SCHEMA,
        model=PolicyModel(name=name, revision=content_hash(folder)),
        engine=PolicyEngine(backend=backend, precision="float32"),
        task=SchemaTask.MULTI_LABEL,
        labels=tuple(thresholds),
        temperature=1.0,
        rule=PerLabelThresholdsRule(thresholds=dict(thresholds)),
        data_fingerprint=data,
        created_at=datetime.now(UTC),
    )
    (folder / "policy.json").write_text(dump_policy(policy))


class _EpochJudge:
    """Turns an epoch's logits into a report, and into the score that early stopping follows."""

    def __init__(self, data: LabelledTexts, shift: NDArray[np.float32], observer: TrainObserver) -> None:
        self.reports: list[EpochReport] = []
        self._data = data
        self._shift = shift
        self._observer = observer

    def step(self, done: int, total: int, *, loss: float) -> None:
        self._observer.step(done, total, loss=loss)

    def epoch(self, number: int, logits: NDArray[np.float32], *, train_loss: float) -> float:
        calibration = calibrated(logits, self._data, shift=self._shift)
        judged = judged_texts(self._data, calibration.probabilities, thresholds=calibration.thresholds)
        report = EpochReport(
            number=number,
            train_loss=train_loss,
            validation_loss=calibration.loss,
            accuracy=metrics.accuracy(judged),
            macro_f1=metrics.macro_f1(metrics.per_label(judged), judged),
            micro_f1=metrics.micro_f1(judged),
            ece=metrics.calibration_error(judged),
        )
        self.reports.append(report)
        self._observer.epoch(report)
        return (report.macro_f1 + report.micro_f1) / 2


def judged_texts(
    data: LabelledTexts, chances: NDArray[np.float64], *, thresholds: NDArray[np.float64] | None
) -> Judged:
    """Scores [n, labels] beside the truth, nothing abstained."""
    return Judged(
        label_names=data.label_names,
        multi_label=data.multi_label,
        scores=chances,
        truth=data.targets() > 0,
        emitted=chances >= (0.5 if thresholds is None else thresholds),
        accepted=np.ones(len(data), dtype=np.bool_),
    )


def _parts(
    data: LabelledTexts, validation: LabelledTexts | None, *, share: float, seed: int
) -> tuple[LabelledTexts, LabelledTexts]:
    if validation is None:
        kept, held = split_indices(data.texts, share=share, seed=seed)
        training, validation = data.take(kept), data.take(held)
    else:
        training = data
    if len(data.label_names) < 2 or not len(training) or not len(validation):
        raise DataError("training needs at least two labels, and at least two different texts")
    if training.label_names != validation.label_names:
        raise DataError("the validation file has other labels than the training file: give both the same label set")
    return training, validation


def _classifier(data: LabelledTexts, options: TrainOptions) -> Classifier:
    import torch

    torch.manual_seed(options.fit.seed)
    if isinstance(options.base, NewEncoder):
        classifier = new_encoder(
            options.base, label_names=data.label_names, multi_label=data.multi_label, texts=data.texts
        )
    else:
        classifier = load_base(
            options.base,
            label_names=data.label_names,
            multi_label=data.multi_label,
            texts=data.texts,
            vocabulary_size=options.vocabulary,
        )
    if options.max_length is not None:
        classifier.limit_length(options.max_length)
    return classifier


def _fitted(
    classifier: Classifier,
    training: LabelledTexts,
    held: LabelledTexts,
    *,
    weights: NDArray[np.float32],
    options: TrainOptions,
    judge: _EpochJudge,
) -> tuple[NDArray[np.float32], int]:
    """Fit in place; the float32 logits of the held-out texts, and the number of the best epoch."""
    bias = prior_bias(training.targets(), weights, multi_label=training.multi_label)
    head.set_bias(classifier.model, bias)
    texts, targets = _lesson(training, options)
    encoded = EncodedTexts(classifier.encode(texts), targets)
    encoded_held = EncodedTexts(classifier.encode(held.texts), held.targets())
    task = Task(multi_label=training.multi_label, weights=weights)
    unknown = classifier.tokenizer.token_to_id("[UNK]")
    fit = Fit(classifier.model, task=task, options=options.fit, pad_id=classifier.pad_id, unknown_id=unknown)
    best = fit.run(encoded, encoded_held, observer=judge)
    classifier.model.to("cpu")
    return score(classifier.model, encoded_held.token_ids, pad_id=classifier.pad_id, precision="float32"), best


def _lesson(data: LabelledTexts, options: TrainOptions) -> tuple[Sequence[str], NDArray[np.float32]]:
    if options.distillation is None:
        return data.texts, data.targets()
    teacher = load_base(
        options.distillation.teacher, label_names=data.label_names, multi_label=data.multi_label, texts=data.texts
    )
    return with_teacher(data, teacher, options.distillation, seed=options.fit.seed)


def _write_record(result: TrainResult, options: TrainOptions, *, training: LabelledTexts, held: LabelledTexts) -> None:
    record = {
        "options": asdict(options),
        "texts": len(training),
        "data_fingerprint": fingerprint(training.texts, training.labels),
        "validation_fingerprint": fingerprint(held.texts, held.labels),
        "temperature": result.temperature,
        "linear_floor": None if result.floor is None else asdict(result.floor),
        "best_epoch": result.best.number,
        "epochs": [asdict(report) for report in result.epochs],
        "text_sketch": sketch(training.texts),
    }
    (result.folder / "training.json").write_text(json.dumps(record, indent=2) + "\n")
