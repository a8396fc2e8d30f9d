"""Waves as spans: off by default, by the standard variables, and what a collector gets."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.otlp_collector import Collector, attributes, collector
from tests.unit.core import broker_with, pipeline_of, publisher_of, pump_of, source_of
from worker.errors import ConfigError
from worker.observability.health import Health
from worker.observability.metrics import Metrics
from worker.observability.tracing import tracing_of
from worker.observability.watch import Watch
from worker.records import Record
from worker.stopping import Stop
from worker.testing import FakeBroker, FakeClock, Fault
from worker.tracing import UNTRACED, Tracing

TRACE = "0af7651916cd43dd8448eb211c80319c"
ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"


def traceparent(number: int, *, flags: str = "01") -> bytes:
    return f"00-{TRACE}-{number:016x}-{flags}".encode()


def record(offset: int = 0, *headers: tuple[str, bytes | None], topic: str = "texts", partition: int = 0) -> Record:
    return Record(topic, partition, offset, -1, None, b"text", headers)


@pytest.fixture
def listening(monkeypatch: pytest.MonkeyPatch) -> Iterator[Collector]:
    """A collector, and the standard variables that point to it."""
    with collector() as found:
        monkeypatch.setenv(ENDPOINT, found.endpoint)
        yield found


def tracing(clock: FakeClock | None = None) -> Tracing:
    return tracing_of(os.environ, group_id="group", clock=clock or FakeClock())


@pytest.mark.parametrize(
    "environ",
    [
        {},
        {ENDPOINT: ""},
        {ENDPOINT: "http://collector:4318", "OTEL_SDK_DISABLED": "true"},
        {ENDPOINT: "http://collector:4318", "OTEL_TRACES_EXPORTER": "none"},
        {"OTEL_TRACES_EXPORTER": "otlp"},
    ],
)
def test_off_unless_an_endpoint_is_set(environ: dict[str, str]) -> None:
    """And off again by the variables that turn the SDK or its traces off."""
    assert tracing_of(environ, group_id="group", clock=FakeClock()) is UNTRACED


def test_nothing_of_opentelemetry_is_imported_when_off() -> None:
    """The whole worker is importable, and asked whether to trace, without it."""
    code = (
        "import sys, worker.wiring, worker.observability.tracing as t; from worker.clock import SystemClock; "
        "t.tracing_of({}, group_id='g', clock=SystemClock()); "
        "print([name for name in sys.modules if name.startswith('opentelemetry')])"
    )

    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert "[]" == ran.stdout.strip()


def test_a_protocol_that_is_not_spoken_is_refused() -> None:
    """gRPC is another exporter; one line says which one there is."""
    environ = {ENDPOINT: "http://collector:4317", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}

    with pytest.raises(ConfigError, match="OTEL_EXPORTER_OTLP_PROTOCOL: grpc is not spoken here"):
        tracing_of(environ, group_id="group", clock=FakeClock())


def test_a_missing_extra_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the way out for those whose cluster sets the variable everywhere."""
    monkeypatch.setitem(sys.modules, "worker.observability.otlp", None)

    with pytest.raises(ConfigError, match=r"emostream\[otel\].*OTEL_SDK_DISABLED=true"):
        tracing_of({ENDPOINT: "http://collector:4318"}, group_id="group", clock=FakeClock())


def test_variables_that_the_sdk_refuses_are_one_line(listening: Collector, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its ValueError is a configuration error."""
    monkeypatch.setenv("OTEL_BSP_MAX_QUEUE_SIZE", "-1")

    with pytest.raises(ConfigError, match="OpenTelemetry refuses its OTEL_… variables"):
        tracing()


def test_a_wave_is_one_span(listening: Collector) -> None:
    """Consumer kind, the messaging conventions, the stages as events in the order of time, who sent it."""
    clock = FakeClock()
    traced = tracing(clock)

    wave = traced.begin([record(0), record(1)], at=clock.monotonic())
    wave.reached("inferred", clock.monotonic() + 1.0)
    wave.published(clock.monotonic() + 2.5, {"tokens": 7, "close_reason": "drain"})
    traced.close()

    (span,) = listening.spans()
    assert ("process texts", span.SPAN_KIND_CONSUMER) == (span.name, span.kind)
    assert {
        "messaging.system": "kafka",
        "messaging.operation.name": "process",
        "messaging.operation.type": "process",
        "messaging.consumer.group.name": "group",
        "messaging.batch.message_count": 2,
        "messaging.destination.name": "texts",
        "messaging.destination.partition.id": "0",
        "emostream.tokens": 7,
        "emostream.close_reason": "drain",
    } == attributes(span)
    assert [("inferred", 10**9)] == [
        (event.name, event.time_unix_nano - span.start_time_unix_nano) for event in span.events
    ]
    assert 2.5e9 == span.end_time_unix_nano - span.start_time_unix_nano
    assert ["emostream"] == [resource["service.name"] for resource in listening.resources()]


def test_the_service_is_named_by_the_standard_variables(listening: Collector, monkeypatch: pytest.MonkeyPatch) -> None:
    """OTEL_SERVICE_NAME wins over ours."""
    monkeypatch.setenv("OTEL_SERVICE_NAME", "comments")
    traced = tracing()

    traced.begin([record()], at=0.0).published(1.0, {})
    traced.close()

    assert ["comments"] == [resource["service.name"] for resource in listening.resources()]


def test_a_wave_of_several_topics_names_none(listening: Collector) -> None:
    """Nor a partition, if it has several."""
    traced = tracing()

    traced.begin([record(), record(topic="others", partition=1)], at=0.0).published(1.0, {})
    traced.close()

    (span,) = listening.spans()
    assert "process" == span.name
    assert not [name for name in attributes(span) if "destination" in name]


def test_producers_are_linked_once_each(listening: Collector) -> None:
    """In the records' order; what is not a trace parent, or was not sampled, is left out."""
    traced = tracing()
    records = [
        record(0, ("other", b"x"), ("traceparent", traceparent(1))),
        record(1, ("TraceParent", traceparent(2))),
        record(2, ("traceparent", traceparent(1))),
        record(3, ("traceparent", None)),
        record(4),
        record(4, ("traceparent", traceparent(5, flags="00"))),
        *(record(5, ("traceparent", bad)) for bad in (b"", b"\xff", traceparent(0), traceparent(3) + b"-x", b"ff-00")),
        record(6, ("traceparent", b"01" + traceparent(4)[2:] + b"-more")),
    ]

    traced.begin(records, at=0.0).published(1.0, {})
    traced.close()

    (span,) = listening.spans()
    linked = [(link.trace_id.hex(), int.from_bytes(link.span_id, "big")) for link in span.links]
    assert [(TRACE, 1), (TRACE, 2), (TRACE, 4)] == linked


@pytest.mark.parametrize(("limit", "linked"), [(None, 128), ("2", 2), ("1000", 200)])
def test_links_are_limited(
    listening: Collector, monkeypatch: pytest.MonkeyPatch, limit: str | None, linked: int
) -> None:
    """By the standard variable and its default."""
    if limit is not None:
        monkeypatch.setenv("OTEL_SPAN_LINK_COUNT_LIMIT", limit)
    traced = tracing()

    traced.begin([record(n, ("traceparent", traceparent(n))) for n in range(1, 201)], at=0.0).published(1.0, {})
    traced.close()

    (span,) = listening.spans()
    assert linked == len(span.links)


def test_what_a_wave_publishes_carries_its_trace(listening: Collector) -> None:
    """Events and review events: the wave's traceparent instead of the record's; dead letters stay as they came."""
    broker = FakeBroker(topics={"texts": 1, "out": 1, "review": 1, "dead": 1})
    theirs = (("traceparent", traceparent(1)), ("tracestate", b"vendor=1"), ("other", b"stays"))
    for value in (b"text 1", b"text 2", b"text 3", b""):
        broker.append(next(iter(broker.partitions("texts"))), key=None, value=value, headers=theirs)

    worked(broker)

    (span,) = listening.spans()
    ours = f"00-{span.trace_id.hex()}-{span.span_id.hex()}-".encode()
    events = [dict(each.headers) for topic in ("out", "review") for each in broker.topic(topic)]
    assert 3 == len(events)
    assert [(ours, b"stays", False)] * 3 == [
        (each["traceparent"][:-2], each["other"], "tracestate" in each) for each in events
    ]
    (letter,) = broker.topic("dead")
    assert theirs == letter.headers[:3]
    assert ["inferred", "decided", "closed", "publishing"] == [event.name for event in span.events]
    assert (3, 1) == (
        sum(int(str(attributes(span).get(f"emostream.records.{each}", 0))) for each in ("accepted", "abstained")),
        attributes(span)["emostream.records.dead"],
    )


def test_a_wave_that_is_not_published_is_an_error(listening: Collector) -> None:
    """Its records come again in another wave, with a trace of its own."""
    broker = broker_with([b"text"], partitions=1)

    worked(broker, faults=[Fault.FAILS])

    spans = listening.spans()
    assert [2, 0] == [span.status.code for span in spans]
    assert "PublishFailed" == attributes(spans[0])["error.type"]
    assert 2 == len({span.trace_id for span in spans})


def worked(broker: FakeBroker, *, faults: list[Fault] | None = None) -> None:
    """A whole worker over the fakes, traced, until everything is published."""
    clock = FakeClock()
    traced = tracing(clock)
    source = source_of(broker)
    publisher = publisher_of(broker, faults=faults or ())
    pipeline = pipeline_of(publisher, tracing=traced)
    observer = Watch(metrics=Metrics(), health=Health(stall_timeout_s=60, clock=clock), clock=clock)
    pump = pump_of(source, publisher, pipeline=pipeline, observer=observer)  # type: ignore[arg-type]
    pump.run(stop=Stop(), drain_timeout_s=5, until=source.end_offsets())
    traced.close()
