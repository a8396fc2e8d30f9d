"""Audit copies joined with what people said of them: what `emostream audit estimate` reads.

Whether a record was in the sample is worked out again from its id, as the worker did it, so that accepted records that
somebody looked at for another reason do not bias the estimate. The statistics are `worker.learning.audit`'s.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from worker.decision.audit import sampled
from worker.errors import DataError
from worker.learning.audit import AuditEstimate, estimate_risk
from worker.learning.rows import Row, read_rows
from worker.records import Outcome

ANSWER_FIELDS = ("answer", "label", "labels")
FRACTIONS = frozenset({"wrong_emitted"})
"""What policies bound that counts a text's wrong labels; everything else counts texts that are not exactly right."""


@dataclass(frozen=True)
class Copy:
    """One audited record: the labels it was given, the chance with which it was copied, what its policy promises, and
    the true labels by a person (None: not answered yet)."""

    id: str
    labels: tuple[str, ...]
    probability: float
    promise: Mapping[str, Any] | None
    truth: tuple[str, ...] | None

    @property
    def loss(self) -> float:
        """How wrong the answer is, by what the policy bounds; 0 while nobody has answered."""
        if self.truth is None:
            return 0.0
        if self.promise is not None and self.promise.get("risk") in FRACTIONS and self.labels:
            return len(set(self.labels) - set(self.truth)) / len(self.labels)
        return float(set(self.labels) != set(self.truth))


@dataclass(frozen=True)
class Audit:
    """All copies, each once; `outside`: answered records that were not accepted or not in the sample."""

    copies: tuple[Copy, ...]
    outside: int

    @property
    def answered(self) -> tuple[Copy, ...]:
        return tuple(copy for copy in self.copies if copy.truth is not None)

    def estimate(self, *, accepted: int | None, confidence: float) -> AuditEstimate:
        """Of all accepted records. Where some copies are unanswered, or `accepted` is not known, by the ratio form: as
        if they were like the answered ones. Raises DataError without an answer."""
        answered = self.answered
        return _estimate(
            answered, accepted=accepted if len(answered) == len(self.copies) else None, confidence=confidence
        )

    def by_label(self, *, confidence: float) -> dict[str, AuditEstimate]:
        """Of the accepted records that were given each label, where there are answers, most answers first."""
        parts: dict[str, list[Copy]] = {}
        for copy in self.answered:
            for label in copy.labels:
                parts.setdefault(label, []).append(copy)
        ordered = sorted(parts.items(), key=lambda part: (-len(part[1]), part[0]))
        return {label: _estimate(copies, accepted=None, confidence=confidence) for label, copies in ordered}

    @property
    def promise(self) -> Mapping[str, Any] | None:
        """What the policy of the copies promises, if it is the same for all."""
        promises = [copy.promise for copy in self.copies]
        return promises[0] if promises and all(each == promises[0] for each in promises) else None


def read_audit(labels: Path, events: Path | None, *, answer_field: str | None = None) -> Audit:
    """Join the rows of `labels` with the `events` by `id`; without `events` each row is an event with the answer.

    Raises DataError.
    """
    if events is None:
        joined = [(row, _answer(row, answer_field, ANSWER_FIELDS[:2])) for row in _rows(labels)]
    else:
        answers = {_id(row): _answer(row, answer_field, ANSWER_FIELDS) for row in _rows(labels)}
        joined = [(row, answers.get(_id(row))) for row in _rows(events)]
    copies: dict[str, Copy] = {}
    outside: set[str] = set()
    for row, truth in joined:
        copy = _copy(row, truth)
        if copy is None:
            if truth is not None:
                outside.add(_id(row))
        elif copies.get(copy.id) is None or copy.truth is not None:
            copies[copy.id] = copy
    return Audit(tuple(copies.values()), len(outside - copies.keys()))


def _rows(path: Path) -> list[Row]:
    if not path.is_file():
        raise DataError(f"{path}: no such file")
    rows = list(read_rows(path).rows)
    if not rows:
        raise DataError(f"{path}: no rows")
    return rows


def _id(row: Row) -> str:
    value = row.values.get("id")
    if not isinstance(value, str) or not value:
        raise DataError(f"{row.where}: no field 'id': it should be the event's")
    return value


def _answer(row: Row, named: str | None, usual: Iterable[str]) -> tuple[str, ...] | None:
    """The labels a person gave; None when the field is empty."""
    fields = (named,) if named else tuple(field for field in usual if field in row.values)
    if not fields or fields[0] not in row.values:
        wanted = named or " or ".join(map(repr, usual))
        raise DataError(f"{row.where}: no field {wanted}: it should hold a person's answer (--answer-field)")
    value = row.values[fields[0]]
    if value is None or value == "":
        return None
    items = value if isinstance(value, list) else str(value).split(",") if fields[0] == "labels" else [value]
    if not all(isinstance(item, str | int) for item in items):
        raise DataError(f"{row.where}: an answer is a label, or a list of labels")
    return tuple(str(item).strip() for item in items if str(item).strip())


def _copy(row: Row, truth: tuple[str, ...] | None) -> Copy | None:
    """The record as an audited one; None when it was not accepted or is not in the sample."""
    event = row.values
    try:
        if event["outcome"] != Outcome.ACCEPTED:
            return None
        probability, labels = event["audit_probability"], tuple(event["labels"])
    except (KeyError, TypeError) as error:
        raise DataError(f"{row.where}: not an event of the output or review topic") from error
    if not probability or not sampled(_id(row), float(probability)):
        return None
    return Copy(_id(row), labels, float(probability), (event.get("policy") or {}).get("guarantee"), truth)


def _estimate(copies: Iterable[Copy], *, accepted: int | None, confidence: float) -> AuditEstimate:
    answered = list(copies)
    if not answered:
        raise DataError("no answered audit copies: label some records with the reason audit_sample")
    wrong = np.array([copy.loss for copy in answered])
    probability = np.array([copy.probability for copy in answered])
    return estimate_risk(wrong, probability, accepted=accepted, confidence=confidence)
