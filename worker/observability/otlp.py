"""Waves as OpenTelemetry spans, sent by OTLP over HTTP: the only importer of OpenTelemetry.

One span of kind CONSUMER for each wave, by the semantic conventions for messaging: it links to the spans of the
producers whose `traceparent` the records carry, its events are the stages, and the wave's own events carry its
`traceparent`. Message text is in none of it.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping, Sequence

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, Resource
from opentelemetry.sdk.trace import SpanLimits, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Link, Span, SpanContext, SpanKind, Status, StatusCode, TraceFlags, Tracer

from worker import __version__
from worker.clock import Clock
from worker.records import Header, Record
from worker.tracing import WaveTrace

CLOSE_TIMEOUT_S = 4.0
TRACEPARENT_HEADER = "traceparent"
TRACEPARENT = re.compile(rb"(?!ff)[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?", re.DOTALL)
"""W3C Trace Context: what every version begins with; a higher one may go on after a dash."""


class OtlpTracing:
    """Sends the waves' spans where the OTEL_… variables say, from a thread of the SDK's own."""

    def __init__(self, *, group_id: str, clock: Clock) -> None:
        limits = SpanLimits()
        self._provider = TracerProvider(resource=_resource(), span_limits=limits, shutdown_on_exit=False)
        self._provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        self._tracer: Tracer = self._provider.get_tracer("emostream", __version__)
        self._most_links = limits.max_links
        self._group_id = group_id
        self._clock = clock

    def begin(self, records: Sequence[Record], *, at: float) -> WaveTrace:
        offset_s = self._clock.time() - self._clock.monotonic()
        topics = {record.topic for record in records}
        attributes: dict[str, str | int] = {
            "messaging.system": "kafka",
            "messaging.operation.name": "process",
            "messaging.operation.type": "process",
            "messaging.consumer.group.name": self._group_id,
            "messaging.batch.message_count": len(records),
        }
        name = "process"
        if len(topics) == 1:
            (topic,) = topics
            name = f"process {topic}"
            attributes["messaging.destination.name"] = topic
            if len({record.partition for record in records}) == 1:
                attributes["messaging.destination.partition.id"] = str(records[0].partition)
        span = self._tracer.start_span(
            name,
            context=Context(),
            kind=SpanKind.CONSUMER,
            attributes=attributes,
            links=producers(records, most=self._most_links),
            start_time=_nanoseconds(at + offset_s),
        )
        return _SpanOfWave(span, offset_s)

    def close(self) -> None:
        """Send what is left; a collector that does not answer is waited for a few seconds only."""
        closing = threading.Thread(target=self._provider.shutdown, name="otlp-close", daemon=True)
        closing.start()
        closing.join(CLOSE_TIMEOUT_S)


class _SpanOfWave:
    """A wave's span; `offset_s` turns the monotonic clock's moments into the epoch's."""

    def __init__(self, span: Span, offset_s: float) -> None:
        self._span = span
        self._offset_s = offset_s
        self.headers: Sequence[Header] = ((TRACEPARENT_HEADER, traceparent(span.get_span_context())),)

    def reached(self, stage: str, at: float) -> None:
        self._span.add_event(stage, timestamp=_nanoseconds(at + self._offset_s))

    def published(self, at: float, facts: Mapping[str, int | str]) -> None:
        self._span.set_attributes({f"emostream.{name}": fact for name, fact in facts.items()})
        self._span.end(_nanoseconds(at + self._offset_s))

    def dropped(self, reason: str) -> None:
        self._span.set_attribute("error.type", reason)
        self._span.set_status(Status(StatusCode.ERROR, "the wave was dropped and is read again"))
        self._span.end()


def producers(records: Sequence[Record], *, most: int | None) -> list[Link]:
    """Links to the spans in the records' `traceparent` headers, each once, in the records' order, at most so many.

    A span that was not sampled is nowhere: no link leads to it.
    """
    found: dict[bytes, Link] = {}
    for record in records:
        if len(found) == most:
            break
        for name, value in record.headers:
            if value and value not in found and name.lower() == TRACEPARENT_HEADER:
                context = parsed(value)
                if context is not None and context.trace_flags.sampled:
                    found[value] = Link(context)
    return list(found.values())


def parsed(traceparent: bytes) -> SpanContext | None:
    """The span that the header names (https://www.w3.org/TR/trace-context/); None when it is not well formed."""
    match = TRACEPARENT.fullmatch(traceparent)
    if match is None or (traceparent[:2] == b"00" and match[4]):
        return None
    flags = TraceFlags(int(match[3], 16))
    context = SpanContext(int(match[1], 16), int(match[2], 16), is_remote=True, trace_flags=flags)
    return context if context.is_valid else None


def traceparent(context: SpanContext) -> bytes:
    """The header that names the span."""
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}".encode()


def _resource() -> Resource:
    """Who sends: OTEL_RESOURCE_ATTRIBUTES and OTEL_SERVICE_NAME first, ours where they are silent."""
    told = Resource.create({SERVICE_VERSION: __version__})
    if str(told.attributes[SERVICE_NAME]).startswith("unknown_service"):
        return told.merge(Resource({SERVICE_NAME: "emostream"}))
    return told


def _nanoseconds(seconds: float) -> int:
    return int(seconds * 1e9)
