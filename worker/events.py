"""Renders outcomes: the JSON and the headers of output, review and dead-letter records.

schemas/ holds what these bytes must look like (and tests hold them to it); here they are written quickly: the input's
payload is embedded as the raw bytes it came in, never re-encoded.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from schemas.dead_letter import DeadLetterHeaders
from schemas.enriched import ENRICHED_SCHEMA, ENRICHED_TYPE
from schemas.event_headers import EVENT_HEADERS
from schemas.fields import render_time
from schemas.review import REVIEW_SCHEMA, REVIEW_TYPE
from worker.errors import RecordError
from worker.records import Decision, Destination, Found, Header, ModelInfo, Outgoing, Prediction, Record

VERSION_HEADER: Header = ("ce_specversion", b"1.0")
ENRICHED_TYPE_HEADER: Header = ("ce_type", ENRICHED_TYPE.encode())
REVIEW_TYPE_HEADER: Header = ("ce_type", REVIEW_TYPE.encode())
CONTENT_TYPE_HEADER: Header = ("content-type", b"application/json")
REPLACED = frozenset({*EVENT_HEADERS, "ce_dataschema", "ce_datacontenttype"})  # the last two describe the old data
TRACE_HEADERS = frozenset({"traceparent", "tracestate"})
YEAR_10000_MS = 253_402_300_800_000  # a producer may write any number as a timestamp; RFC 3339 ends here


@dataclass(frozen=True, slots=True)
class Provenance:
    """What every event of this process says about who made it."""

    model: ModelInfo
    policy: Mapping[str, Any] | None
    group: str
    version: str

    @property
    def event_source(self) -> bytes:
        """CloudEvents `source`: event ids are unique within it."""
        return f"/emostream/{self.group}".encode()


def rounded(scores: NDArray[np.floating]) -> list[list[float]]:
    """The scores of a wave [texts, labels] as events show them: of all texts at once, in a tenth of the time."""
    shown: list[list[float]] = np.round(scores.astype(np.float64), 6).tolist()
    return shown


def fields(
    *,
    found: Found,
    prediction: Prediction,
    scores: Sequence[float],
    decision: Decision,
    provenance: Provenance,
    processed_at: str,
) -> dict[str, Any]:
    """What output events, review events and the lines of `classify` share, in the contract's order."""
    model = provenance.model
    return {
        "labels": decision.labels,
        "confidence": round(decision.confidence, 6),
        "scores": dict(zip(model.labels, scores, strict=True)),
        "model": {"name": model.name, "revision": model.revision, "task": model.task},
        "policy": _policy(provenance.policy, decision),
        "audit_probability": decision.audit_probability,
        "truncated": prediction.truncated,
        "tokens": prediction.tokens,
        "processed_at": processed_at,
        "payload": orjson.Fragment(found.payload),
    }


def _policy(policy: Mapping[str, Any] | None, decision: Decision) -> Mapping[str, Any] | None:
    """What the event says of the policy; its guarantee may not stand at the moment."""
    if policy is None or decision.guarantee_stands or policy["guarantee"] is None:
        return policy
    return {**policy, "guarantee": {**policy["guarantee"], "stands": False}}


class EventRenderer:
    """Makes the outgoing records of one record's outcome. Stateless but for its provenance."""

    def __init__(self, provenance: Provenance, frames: Mapping[Destination, bytes] | None = None) -> None:
        """`frames`: what stands before the events of a topic (worker.registry.wire)."""
        self._provenance = provenance
        self._frames = frames or {}
        self._source_header: Header = ("ce_source", provenance.event_source)

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
        """An enriched event (output topic) or a review event with its reasons (review topic).

        `scores`: those of the prediction as `rounded` gives them.
        """
        identity = record.id
        body: dict[str, Any] = {
            "schema": ENRICHED_SCHEMA,
            "id": identity,
            "source": _source(record),
            "outcome": decision.outcome,
        }
        type_header = ENRICHED_TYPE_HEADER
        if destination is Destination.REVIEW:
            body["schema"] = REVIEW_SCHEMA
            body["reasons"] = decision.reasons
            type_header = REVIEW_TYPE_HEADER
        body |= fields(
            found=found,
            prediction=prediction,
            scores=scores,
            decision=decision,
            provenance=self._provenance,
            processed_at=processed_at,
        )
        headers: tuple[Header, ...] = (
            VERSION_HEADER,
            ("ce_id", identity.encode()),
            self._source_header,
            type_header,
            ("ce_time", processed_at.encode()),
            CONTENT_TYPE_HEADER,
        )
        if record.headers:
            headers = (*(header for header in record.headers if header[0].lower() not in REPLACED), *headers)
        value = orjson.dumps(body)
        if self._frames:
            value = self._frames.get(destination, b"") + value
        return Outgoing(destination, record.key, value, headers, record)

    def dead_letter(self, record: Record, error: RecordError) -> Outgoing:
        """The record as it came, byte for byte, with headers that say what was wrong with it."""
        letter = self._letter_headers(record, error)
        return Outgoing(Destination.DEAD_LETTER, record.key, record.value, record.headers + letter, record)

    def dead_letter_stub(self, record: Record, error: RecordError) -> Outgoing:
        """For a record that the dead-letter topic would refuse for its size: only our headers, and the size left out.

        Without a key, so that nothing of the record's own can be too large; the source offset says where it is.
        """
        size = len(record.key or b"") + len(record.value or b"")
        size += sum(len(name) + len(value or b"") for name, value in record.headers)
        letter = self._letter_headers(record, error, omitted_bytes=size)
        return Outgoing(Destination.DEAD_LETTER, None, None, letter, record)

    def _letter_headers(
        self, record: Record, error: RecordError, *, omitted_bytes: int | None = None
    ) -> tuple[Header, ...]:
        headers = DeadLetterHeaders(
            stage=error.stage,
            reason=error.reason,
            message=error.detail,
            source_topic=record.topic,
            source_partition=record.partition,
            source_offset=record.offset,
            source_timestamp=record.timestamp_ms,
            omitted_bytes=omitted_bytes,
            group=self._provenance.group,
            version=self._provenance.version,
        )
        return tuple(headers.render())


def traced(event: Outgoing, trace: Sequence[Header]) -> Outgoing:
    """The event with the headers of the wave's trace instead of those that its record came with."""
    headers = [header for header in event.headers if header[0].lower() not in TRACE_HEADERS]
    return Outgoing(event.destination, event.key, event.value, (*headers, *trace), event.source)


def _moment(timestamp_ms: int) -> str | None:
    """A record's timestamp; None when it has none, or one that no calendar holds."""
    if not 0 <= timestamp_ms < YEAR_10000_MS:
        return None
    return f"{_second(timestamp_ms // 1000)}.{timestamp_ms % 1000:03d}Z"


@lru_cache(maxsize=1024)
def _second(since_epoch: int) -> str:
    """A time down to its seconds: records of a wave share them."""
    return render_time(datetime.fromtimestamp(since_epoch, UTC)).removesuffix(".000Z")


def _source(record: Record) -> dict[str, Any]:
    return {
        "topic": record.topic,
        "partition": record.partition,
        "offset": record.offset,
        "timestamp": _moment(record.timestamp_ms),
    }
