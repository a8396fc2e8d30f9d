"""Decisions beside the truth, from a model and labelled texts or from what `classify` wrote about them.

Both ways end in one `Judged`; what is measured on it is `worker.learning.metrics`'.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import numpy as np

from schemas.policy import Policy
from worker.decision.calibration import tempered
from worker.decision.decider import Decider
from worker.decision.policy import rule_for
from worker.errors import DataError, RecordError
from worker.learning.datasets import Fields, LabelledTexts, row_labels
from worker.learning.metrics import Judged, Numbers
from worker.learning.rows import Row, read_rows
from worker.ports import Classifier
from worker.records import ModelInfo, Outcome, Prediction, Task

Result = TypeVar("Result")

CHUNK = 2048
"""Texts that are handed to the engine at once: enough to pack well, few enough to show progress."""


@dataclass(frozen=True)
class Answer:
    """What a model said of one text, and the labels it truly has."""

    scores: Mapping[str, float]
    labels: tuple[str, ...]
    accepted: bool
    truth: tuple[str, ...]
    where: str


def judge_model(
    classifier: Classifier,
    rule: Decider,
    data: LabelledTexts,
    *,
    temperature: float = 1.0,
    progress: Callable[[int], None] = lambda _: None,
) -> Judged:
    """Run the engine and the rule over all texts; `progress` is told how many more are done.

    `temperature` is that of the rule's policy: the scores that are judged are those the rule saw. Raises DataError
    when a text cannot be judged or a label is none of the model's.
    """
    answers = list(_answers(classifier, rule, data, progress))
    task = classifier.info.task
    found = judged(answers, classifier.info.labels, multi_label=task is Task.MULTI_LABEL)
    return replace(found, scores=_tempered(found, temperature, task))


def judge_predictions(path: Path, fields: Fields | None = None, *, policy: Policy | None = None) -> Judged:
    """Read the JSON lines of `classify`, whose `payload` holds the true labels. Raises DataError.

    With a policy the recorded scores are decided again by it (PolicyError when it is another model's).
    """
    rows = list(read_rows(path).rows)
    if not rows:
        raise DataError(f"{path}: no predictions")
    answers = [_recorded(row, fields or Fields()) for row in rows]
    info = _recorded_model(rows[0], policy)
    found = judged(answers, info.labels, multi_label=info.task is Task.MULTI_LABEL)
    return found if policy is None else _decided_again(found, policy, info)


def _recorded(row: Row, fields: Fields) -> Answer:
    event = row.values
    try:
        return Answer(
            scores=dict(event["scores"]),
            labels=tuple(event["labels"]),
            accepted=event["outcome"] == Outcome.ACCEPTED,
            truth=row_labels(event["payload"], fields, where=f"{row.where}, payload"),
            where=row.where,
        )
    except (KeyError, TypeError) as error:
        raise DataError(f"{row.where}: not a line that `emostream classify` wrote") from error


def _recorded_model(row: Row, policy: Policy | None) -> ModelInfo:
    """The model of a line; the engine is not recorded, so it is taken to be the policy's."""
    try:
        model, labels = row.values["model"], tuple(row.values["scores"])
        return ModelInfo(
            name=model["name"],
            revision=model["revision"],
            task=Task(model["task"]),
            labels=labels,
            max_length=0,
            backend=policy.engine.backend if policy else "",
            precision=policy.engine.precision if policy else "",
            device="",
        )
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"{row.where}: not a line that `emostream classify` wrote") from error


def _decided_again(found: Judged, policy: Policy, info: ModelInfo) -> Judged:
    decisions = rule_for(info, policy, min_confidence=0.0).decide(found.scores.astype(np.float32))
    column = {label: number for number, label in enumerate(info.labels)}
    emitted = np.zeros_like(found.emitted)
    for row, decision in enumerate(decisions):
        emitted[row, [column[label] for label in decision.labels]] = True
    return replace(
        found,
        scores=_tempered(found, policy.temperature, info.task),
        emitted=emitted,
        accepted=np.array([decision.outcome is Outcome.ACCEPTED for decision in decisions]),
    )


def _tempered(found: Judged, temperature: float, task: Task) -> Numbers:
    return np.asarray(tempered(found.scores, temperature, task), dtype=np.float64)


def judged(answers: Sequence[Answer], labels: tuple[str, ...], *, multi_label: bool) -> Judged:
    """Answers as arrays, columns in the order of `labels`. Raises DataError for a label that is not among them."""
    column = {label: number for number, label in enumerate(labels)}
    scores = np.zeros((len(answers), len(labels)))
    truth, emitted = np.zeros(scores.shape, dtype=np.bool_), np.zeros(scores.shape, dtype=np.bool_)
    for row, answer in enumerate(answers):
        unknown = [label for label in (*answer.truth, *answer.scores) if label not in column]
        if unknown:
            known = ", ".join(labels)
            raise DataError(f"{answer.where}: label {unknown[0]!r} is none of the model's ({known})")
        if not multi_label and len(answer.truth) != 1:
            raise DataError(f"{answer.where}: the model gives one label, the row has {len(answer.truth)}")
        truth[row, [column[label] for label in answer.truth]] = True
        emitted[row, [column[label] for label in answer.labels]] = True
        scores[row, [column[label] for label in answer.scores]] = list(answer.scores.values())
    accepted = np.array([answer.accepted for answer in answers], dtype=np.bool_)
    return Judged(labels, multi_label, scores=scores, truth=truth, emitted=emitted, accepted=accepted)


def _answers(
    classifier: Classifier, rule: Decider, data: LabelledTexts, progress: Callable[[int], None]
) -> Iterator[Answer]:
    labels = classifier.info.labels
    for start in range(0, len(data), CHUNK):
        texts = data.texts[start : start + CHUNK]
        predictions = _predictions(classifier, texts, first=start + 1)
        decisions = rule.decide(np.stack([prediction.scores for prediction in predictions]))
        for offset, (prediction, decision) in enumerate(zip(predictions, decisions, strict=True)):
            yield Answer(
                scores=dict(zip(labels, prediction.scores.tolist(), strict=True)),
                labels=decision.labels,
                accepted=decision.outcome is Outcome.ACCEPTED,
                truth=data.labels[start + offset],
                where=f"text {start + offset + 1}",
            )
        progress(len(texts))


def _predictions(classifier: Classifier, texts: Sequence[str], *, first: int) -> list[Prediction]:
    encoded = [_good(item, first + place) for place, item in enumerate(classifier.encode(texts))]
    return [_good(item, first + place) for place, item in enumerate(classifier.predict(encoded).results)]


def _good(item: Result | RecordError, number: int) -> Result:
    if isinstance(item, RecordError):
        raise DataError(f"text {number} cannot be classified: {item.detail}")
    return item
