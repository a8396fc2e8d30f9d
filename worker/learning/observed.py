"""What a model said of labelled texts, before any policy: by running it, or from the lines that `classify` wrote.

Both ways end in one `Observed`, equal but for rounding, so that a policy made from either is the same. How it is
decided and judged is `worker.learning.evaluate`'s.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from worker.decision.domain import SurpriseTable
from worker.errors import DataError, RecordError
from worker.intake import is_blank
from worker.learning.datasets import Fields, LabelledTexts, row_labels
from worker.learning.provenance import fingerprint
from worker.learning.rows import Row, read_rows
from worker.ports import Classifier
from worker.records import Encoded, ModelInfo, Outcome, Prediction, Task

Result = TypeVar("Result")
Flags = NDArray[np.bool_]
Energy = NDArray[np.float64]

CHUNK = 2048
"""Texts that are handed to the engine at once: enough to pack well, few enough to show progress."""


@dataclass(frozen=True)
class Tokens:
    """How usual the texts' tokens are: `surprise` float64 [n] and `content` int64 [n] (tokens with a letter or digit),
    by the model's table of that fingerprint."""

    surprise: NDArray[np.float64]
    content: NDArray[np.int64]
    table: str


@dataclass(frozen=True)
class Recorded:
    """How the lines of `classify` had been decided: `labels`, `accepted` and `confidence` of each text, and by which
    policy. `confidence` float64 [n] is None where it is not known of every text."""

    labels: Sequence[tuple[str, ...]]
    accepted: Flags
    policy: str | None
    calibrated: bool
    confidence: NDArray[np.float64] | None = None


@dataclass(frozen=True)
class Observed:
    """n texts: `scores` float32 [n, labels] as the model gave them, `truth` and `truncated` bool.

    `texts` and `labels` are what the rows said. `tokens` is None without a table of token surprise; `energy` float64
    [n] (log-sum-exp of the logits) where it is not known of every text; `recorded` without a decision that stood beside
    the scores. `dead`: rows that could not be classified, and are not among the n.
    `model.precision` is empty where the lines do not say what ran the model.
    """

    model: ModelInfo
    scores: NDArray[np.float32]
    truth: Flags
    truncated: Flags
    texts: Sequence[str]
    labels: Sequence[tuple[str, ...]]
    tokens: Tokens | None = None
    energy: Energy | None = None
    recorded: Recorded | None = None
    dead: int = 0

    def __len__(self) -> int:
        return len(self.scores)

    @property
    def multi_label(self) -> bool:
        return self.model.task is Task.MULTI_LABEL

    @property
    def fingerprint(self) -> str:
        """`sha256:…` of the texts and their labels."""
        return fingerprint(self.texts, self.labels)


def observe(
    classifier: Classifier,
    data: LabelledTexts,
    *,
    surprise: SurpriseTable | None = None,
    progress: Callable[[int], None] = lambda _: None,
) -> Observed:
    """Run the engine over all texts; `progress` is told how many more are done.

    Texts that the worker would dead-letter are left out and counted, as they are in the lines of `classify`. Raises
    DataError when no text is left, or a label is none of the model's.
    """
    rows: list[int] = []
    solved: list[Prediction] = []
    encoded: list[Encoded] = []
    for start in range(0, len(data), CHUNK):
        here = range(start, min(start + CHUNK, len(data)))
        readable = [row for row in here if not is_blank(data.texts[row])]
        given = _good(readable, classifier.encode([data.texts[row] for row in readable]))
        answered = _good(list(given), classifier.predict(list(given.values())).results)
        rows += answered
        solved += answered.values()
        encoded += [given[row] for row in answered]
        progress(len(here))
    if not rows:
        raise DataError("no text can be classified")
    kept = data.take(rows)
    return Observed(
        model=classifier.info,
        scores=np.stack([item.scores for item in solved]),
        truth=_truth(kept.labels, classifier.info, [f"text {row + 1}" for row in rows]),
        truncated=np.array([item.truncated for item in encoded]),
        texts=kept.texts,
        labels=kept.labels,
        tokens=None
        if surprise is None
        else Tokens(*surprise.judge([item.ids for item in encoded]), surprise.fingerprint),
        energy=_known_of_all([item.energy for item in solved]),
        dead=len(data) - len(rows),
    )


def read_observed(path: Path, fields: Fields | None = None) -> Observed:
    """Read the JSON lines of `classify`, whose `payload` holds the true labels; lines of dead texts are counted only.

    Raises DataError.
    """
    if not path.is_file():
        raise DataError(f"{path}: no such file")
    everything = list(read_rows(path).rows)
    rows = [row for row in everything if row.values.get("outcome") != Outcome.DEAD]
    if not rows:
        raise DataError(f"{path}: no predictions")
    named = fields or Fields()
    info = _model(rows[0])
    lines = [_line(row, info, named) for row in rows]
    found = Observed(
        model=info,
        scores=np.array([line.scores for line in lines], dtype=np.float32).reshape(len(lines), len(info.labels)),
        truth=_truth([line.truth for line in lines], info, [row.where for row in rows]),
        truncated=np.array([line.truncated for line in lines]),
        texts=[line.text for line in lines],
        labels=[line.truth for line in lines],
        energy=_known_of_all([line.energy for line in lines]),
        recorded=_recorded(rows, lines),
        dead=len(everything) - len(rows),
    )
    return replace(found, tokens=_tokens(lines))


@dataclass(frozen=True)
class _Line:
    scores: Sequence[float]
    answer: tuple[str, ...]
    accepted: bool
    truth: tuple[str, ...]
    text: str
    truncated: bool
    domain: Mapping[str, Any] | None
    energy: float | None
    confidence: float | None


def _line(row: Row, info: ModelInfo, fields: Fields) -> _Line:
    event = row.values
    try:
        model, scores, payload = event["model"], dict(event["scores"]), event["payload"]
        if (model["name"], model["revision"]) != (info.name, info.revision):
            raise DataError(f"{row.where}: another model than in the lines before: give the output of one `classify`")
        if set(scores) != set(info.labels):
            raise DataError(f"{row.where}: scores of other labels than in the lines before")
        return _Line(
            scores=[_number(scores[label], row) for label in info.labels],
            answer=tuple(event["labels"]),
            accepted=event["outcome"] == Outcome.ACCEPTED,
            truth=row_labels(payload, fields, where=f"{row.where}, payload"),
            text=str(payload.get(fields.text, "")),
            truncated=bool(event.get("truncated", False)),
            domain=event.get("domain"),
            energy=_optional(event.get("energy"), row),
            confidence=_optional(event.get("confidence"), row),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise _no_line(row) from error


def _model(row: Row) -> ModelInfo:
    event = row.values
    try:
        model, engine = event["model"], event.get("engine") or {}
        return ModelInfo(
            name=model["name"],
            revision=model["revision"],
            task=Task(model["task"]),
            labels=tuple(event["scores"]),
            max_length=0,
            backend=engine.get("backend", ""),
            precision=engine.get("precision", ""),
            device="",
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise _no_line(row) from error


def _recorded(rows: Sequence[Row], lines: Sequence[_Line]) -> Recorded:
    policies = [row.values.get("policy") or {} for row in rows]
    names = {policy.get("id") for policy in policies}
    return Recorded(
        labels=[line.answer for line in lines],
        accepted=np.array([line.accepted for line in lines]),
        confidence=_known_of_all([line.confidence for line in lines]),
        policy=names.pop() if len(names) == 1 else None,
        calibrated=any(policy.get("calibrated", False) for policy in policies),
    )


def _tokens(lines: Sequence[_Line]) -> Tokens | None:
    known = [line.domain for line in lines if line.domain]
    if len(known) < len(lines) or len({domain["table"] for domain in known}) != 1:
        return None
    return Tokens(
        np.array([domain["surprise"] for domain in known], dtype=np.float64),
        np.array([domain["content_tokens"] for domain in known], dtype=np.int64),
        known[0]["table"],
    )


def _known_of_all(known: Sequence[float | None]) -> NDArray[np.float64] | None:
    return None if None in known else np.array(known, dtype=np.float64)


def _truth(labels: Sequence[tuple[str, ...]], info: ModelInfo, where: Sequence[str]) -> Flags:
    """The true labels, bool [n, labels], columns in the model's order."""
    column = {label: number for number, label in enumerate(info.labels)}
    truth = np.zeros((len(labels), len(column)), dtype=np.bool_)
    for row, (names, place) in enumerate(zip(labels, where, strict=True)):
        unknown = [name for name in names if name not in column]
        if unknown:
            known = ", ".join(info.labels)
            raise DataError(f"{place}: label {unknown[0]!r} is none of the model's ({known})")
        if info.task is Task.SINGLE_LABEL and len(names) != 1:
            raise DataError(f"{place}: the model gives one label, the row has {len(names)}")
        truth[row, [column[name] for name in names]] = True
    return truth


def _number(value: object, row: Row) -> float:
    """A score; null is what JSON has for one that is no number."""
    if value is None:
        return float("nan")
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise DataError(f"{row.where}: a score is no number")
    return float(value)


def _optional(value: object, row: Row) -> float | None:
    return None if value is None else _number(value, row)


def _no_line(row: Row) -> DataError:
    return DataError(f"{row.where}: not a line that `emostream classify` wrote")


def _good(rows: Sequence[int], items: Sequence[Result | RecordError]) -> dict[int, Result]:
    """What each row has, but for the rows that have a reason instead."""
    return {row: item for row, item in zip(rows, items, strict=True) if not isinstance(item, RecordError)}
