"""A worker with the standard OTLP variables: its waves arrive at a real endpoint, linked to who sent the texts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.conftest import Topics
from tests.e2e.processes import Way, worker
from tests.kafka_io import ToSend, produce
from tests.otlp_collector import attributes, collector
from worker.devbroker.ports import free_ports

pytestmark = pytest.mark.broker

RECORDS = 300


@pytest.fixture
def way(topics: Topics, group_id: str) -> Way:
    return Way.made(topics, group_id)


def traceparent(number: int) -> bytes:
    """Each record was sent within a span of its own."""
    return f"00-{number + 1:032x}-{number + 1:016x}-01".encode()


def texts() -> list[ToSend]:
    """Every tenth is bad."""
    return [
        ToSend(
            json.dumps({"text": f"i feel fine, number {number}"}).encode() if number % 10 else b"{broken",
            headers=(("traceparent", traceparent(number)),),
        )
        for number in range(RECORDS)
    ]


def test_waves_arrive_linked_to_their_producers(way: Way, tmp_path: Path) -> None:
    """One span for each published wave, every producer linked once; events name the wave, dead letters theirs."""
    produce(way.bootstrap_servers, way.input, texts())

    with (
        collector() as listening,
        worker(
            way.config(tmp_path, batch={"max_messages": 50}),
            "--until-caught-up",
            environ={"OTEL_EXPORTER_OTLP_ENDPOINT": listening.endpoint, "OTEL_EXPORTER_OTLP_COMPRESSION": "gzip"},
        ) as running,
    ):
        code = running.wait()

    assert 0 == code, running.log()
    spans = [span for span in listening.spans() if span.status.code == 0]
    assert running.waves() == len(spans)
    assert {f"process {way.input}"} == {span.name for span in spans}
    linked = sorted(int.from_bytes(link.span_id, "big") for span in spans for link in span.links)
    assert list(range(1, RECORDS + 1)) == linked
    assert RECORDS == sum(int(str(attributes(span)["messaging.batch.message_count"])) for span in spans)
    outcomes = way.outcomes()
    made_in = {(record.header("traceparent") or b"")[3:52].decode() for record in [*outcomes.output, *outcomes.review]}
    assert made_in <= {f"{span.trace_id.hex()}-{span.span_id.hex()}" for span in spans}
    assert {traceparent(number) for number in range(0, RECORDS, 10)} == {
        record.header("traceparent") for record in outcomes.dead_letter
    }


def test_a_collector_that_is_not_there_costs_no_record(way: Way, tmp_path: Path) -> None:
    """The spans are lost, the records are not, and the worker ends as it should."""
    produce(way.bootstrap_servers, way.input, texts())
    (nobody,) = free_ports(1)

    with worker(
        way.config(tmp_path),
        "--until-caught-up",
        environ={"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{nobody}"},
    ) as running:
        code = running.wait()

    assert 0 == code, running.log()
    assert RECORDS == len(set(way.outcomes().ids()))
