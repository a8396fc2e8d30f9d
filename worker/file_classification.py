"""The road of a text that comes from a file: the worker's own pipeline, with rows for records and lines for events.

No Kafka: a row stands for a record at `file/0/row`, and instead of outgoing records there is one JSON line for each
row, in the order of the rows (`schemas.classified`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

import orjson

from schemas.classified import CLASSIFIED_SCHEMA
from schemas.policy import Policy
from worker import __version__
from worker.batching import CloseReason, Gathered, Wave
from worker.clock import Clock
from worker.decision.decider import Decider
from worker.decision.domain import SurpriseTable
from worker.decision.policy import reference
from worker.errors import DeadReason, RecordError, Stage
from worker.events import EventRenderer, Provenance, fields
from worker.files import InputRow
from worker.intake import Intake
from worker.pipeline import Pipeline, Routing
from worker.ports import Classifier
from worker.records import (
    Decision,
    Destination,
    Found,
    Membership,
    Outcome,
    Outgoing,
    Prediction,
    Record,
)

WAVE_ROWS: Final = 512
NOBODY: Final = Membership(0, "", None)


class LineRenderer(EventRenderer):
    """Renders the lines of `classify` where the worker renders events and dead letters."""

    def __init__(self, provenance: Provenance, surprise: SurpriseTable | None) -> None:
        super().__init__(provenance)
        self._line_provenance = provenance
        self._surprise = surprise
        self._domains: dict[int, dict[str, Any]] = {}

    def look_at(self, gathered: Sequence[Gathered]) -> None:
        """Measure the tokens of the wave that is rendered next, where the model has a table for it."""
        texts = [(item.record.offset, item.encoded.ids) for item in gathered if item.encoded is not None]
        if self._surprise is None or not texts:
            return
        surprise, content = self._surprise.judge([ids for _, ids in texts])
        table = self._surprise.fingerprint
        self._domains = {
            row: {"surprise": z, "content_tokens": count, "table": table}
            for (row, _), z, count in zip(texts, surprise.tolist(), content.tolist(), strict=True)
        }

    def event(
        self,
        *,
        destination: Destination,
        record: Record,
        found: Found,
        prediction: Prediction,
        scores: Sequence[float],
        decision: Decision,
        processed_at: str,
    ) -> Outgoing:
        shared = fields(
            found=found,
            prediction=prediction,
            scores=scores,
            decision=decision,
            provenance=self._line_provenance,
            processed_at=processed_at,
        )
        model = self._line_provenance.model
        own = {
            # every digit: thresholds chosen from these lines are compared with scores that nobody has rounded
            "confidence": decision.confidence,
            "scores": dict(zip(model.labels, prediction.scores, strict=True)),
            "engine": {"backend": model.backend, "precision": model.precision},
            "energy": prediction.energy,
            "domain": self._domains.get(record.offset),
        }
        line = _beginning(record, decision.outcome, decision.reasons) | shared | own
        return Outgoing(destination, None, orjson.dumps(line, option=orjson.OPT_SERIALIZE_NUMPY), (), record)

    def dead_letter(self, record: Record, error: RecordError) -> Outgoing:
        failure = {"stage": error.stage, "reason": error.reason, "message": error.detail}
        line = _beginning(record, Outcome.DEAD, ()) | {"error": failure}
        return Outgoing(Destination.DEAD_LETTER, None, orjson.dumps(line), (), record)


@dataclass(frozen=True, slots=True)
class Classified:
    """The lines of one wave of rows, each ended by a newline, and what became of the rows."""

    lines: bytes
    outcomes: Counter[Outcome]


class FileClassifier:
    """Classifies the rows of one file, a wave at a time; memory holds one wave."""

    def __init__(
        self,
        *,
        name: str,
        intake: Intake,
        classifier: Classifier,
        rule: Decider,
        policy: Policy | None,
        clock: Clock,
        surprise: SurpriseTable | None = None,
    ) -> None:
        self._name = name
        self._intake = intake
        self._problems: dict[int, str] = {}
        provenance = Provenance(classifier.info, reference(policy, rule), "", __version__)
        self._renderer = LineRenderer(provenance, surprise)
        self._pipeline = Pipeline(
            intake=self._find,
            classifier=classifier,
            rule=rule,
            renderer=self._renderer,
            fits=lambda _: True,
            routing=Routing(),
            clock=clock,
        )

    def run(self, rows: Iterable[InputRow], *, wave_rows: int = WAVE_ROWS) -> Iterator[Classified]:
        """One `Classified` for each `wave_rows` rows; as many lines as rows, in their order. Raises EngineLost."""
        pending = iter(rows)
        while wave := list(islice(pending, wave_rows)):
            yield self._classify(wave)

    def _classify(self, rows: list[InputRow]) -> Classified:
        self._problems = {row.number: row.problem for row in rows if row.problem is not None}
        records = [Record(self._name, 0, row.number, -1, None, row.value) for row in rows]
        gathered = self._pipeline.gather(records)
        self._renderer.look_at(gathered)
        processed = self._pipeline.process(Wave(tuple(gathered), NOBODY, CloseReason.MESSAGES))
        lines = b"".join((outgoing.value or b"") + b"\n" for outgoing in processed.publication.outgoing)
        return Classified(lines, processed.tally.outcomes)

    def _find(self, record: Record) -> Found:
        problem = self._problems.get(record.offset)
        if problem is not None:
            raise RecordError(Stage.DECODE, DeadReason.MISSING_TEXT, problem)
        return self._intake(record)


def _beginning(record: Record, outcome: Outcome, reasons: tuple[str, ...]) -> dict[str, Any]:
    return {
        "schema": CLASSIFIED_SCHEMA,
        "id": f"{record.topic}/{record.offset}",
        "source": {"file": record.topic, "line": record.offset},
        "outcome": outcome,
        "reasons": reasons,
    }
