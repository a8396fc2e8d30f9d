"""What the worker renders is what the schemas promise, whatever came in."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from jsonschema import Draft202012Validator

from schemas import examples
from schemas.dead_letter import DeadLetterHeaders
from schemas.enriched import EnrichedEvent
from schemas.event_headers import EVENT_HEADERS, EventHeaders
from schemas.json_schema import json_schemas
from schemas.review import Reason, ReviewEvent
from tests.bad_inputs import BAD_JSON, GOOD_CLOUDEVENTS, MAX_VALUE_BYTES, ODD_JSON, ODD_TEXT, POINTER, Input
from worker.decision.policy import reference, rule_for
from worker.errors import RecordError
from worker.events import EventRenderer, Provenance, rounded
from worker.intake import InputFormat, Intake
from worker.records import Decision, Destination, Found, Header, ModelInfo, Outcome, Outgoing, Prediction, Record, Task

SCHEMAS = json_schemas()
NOW = "2026-11-21T10:00:00.061Z"
EXAMPLE = examples.ENRICHED
MODEL = ModelInfo(
    name=EXAMPLE.model.name,
    revision=EXAMPLE.model.revision,
    task=Task.SINGLE_LABEL,
    labels=tuple(EXAMPLE.scores),
    max_length=128,
    backend="openvino",
    precision="float32",
    device="cpu",
)
POLICY: dict[str, Any] = json.loads(EXAMPLE.model_dump_json())["policy"]
SCORES = np.array(list(EXAMPLE.scores.values()), dtype=np.float32)
ACCEPTED = Decision(Outcome.ACCEPTED, ("joy",), EXAMPLE.confidence)
ABSTAINED = Decision(Outcome.ABSTAINED, ("joy",), 0.487, (Reason.LOW_CONFIDENCE,))


def renderer_of(policy: dict[str, Any] | None = None) -> EventRenderer:
    return EventRenderer(Provenance(model=MODEL, policy=policy, group="emostream", version="0.1.0"))


def record_of(
    value: bytes | None,
    headers: tuple[Header, ...] = (),
    key: bytes | None = None,
    timestamp_ms: int = 1_795_255_200_000,
) -> Record:
    return Record("texts", 3, 1042, timestamp_ms, key, value, headers)


def rendered(
    record: Record,
    *,
    found: Found | None = None,
    destination: Destination = Destination.OUTPUT,
    decision: Decision = ACCEPTED,
    policy: dict[str, Any] | None = None,
) -> Outgoing:
    return renderer_of(policy).event(
        destination=destination,
        record=record,
        found=found or Found("fine", b'{"text": "fine"}'),
        prediction=Prediction(SCORES, EXAMPLE.tokens, truncated=False),
        scores=rounded(SCORES[None])[0],
        decision=decision,
        processed_at=NOW,
    )


def texts_of(headers: tuple[Header, ...]) -> dict[str, str]:
    return {name: (value or b"").decode() for name, value in headers}


def test_rendered_event_is_the_documented_one() -> None:
    """The worker makes exactly the event that the documentation shows, field by field in the same order."""
    payload = json.dumps(EXAMPLE.payload).encode()

    outgoing = rendered(record_of(payload), found=Found(EXAMPLE.payload["text"], payload), policy=POLICY)

    expected = json.loads(EXAMPLE.model_dump_json())
    assert json.dumps(expected) == json.dumps(json.loads(outgoing.value or b""))
    assert json.loads(examples.EVENT_HEADERS.model_dump_json()) == texts_of(outgoing.headers)


@pytest.mark.parametrize(
    ("destination", "decision", "model"),
    [
        (Destination.OUTPUT, ACCEPTED, EnrichedEvent),
        (Destination.OUTPUT, ABSTAINED, EnrichedEvent),
        (Destination.REVIEW, ABSTAINED, ReviewEvent),
        (Destination.REVIEW, Decision(Outcome.ACCEPTED, (), 0.5, (Reason.AUDIT_SAMPLE,)), ReviewEvent),
    ],
)
@pytest.mark.parametrize("policy", [None, POLICY, POLICY | {"threshold": None, "guarantee": None}])
@pytest.mark.parametrize("timestamp_ms", [-1, 0, 1_795_255_200_000, 2**63 - 1])
def test_event_keeps_its_schema(
    destination: Destination,
    decision: Decision,
    model: type[EnrichedEvent | ReviewEvent],
    policy: dict[str, Any] | None,
    timestamp_ms: int,
) -> None:
    """Every kind of event is valid under its schemas, has no field beside theirs, and its headers are valid too."""
    record = record_of(b"{}", timestamp_ms=timestamp_ms)

    outgoing = rendered(record, destination=destination, decision=decision, policy=policy)

    event = json.loads(outgoing.value or b"")
    assert event == json.loads(model.model_validate(event).model_dump_json())
    assert list(event) == [field.alias or name for name, field in model.model_fields.items()]
    Draft202012Validator(SCHEMAS[event["schema"]]).validate(event)
    headers = EventHeaders.model_validate(texts_of(outgoing.headers))
    assert (event["id"], event["processed_at"]) == (headers.ce_id, texts_of(outgoing.headers)["ce_time"])
    assert event["schema"].replace("/", ".v") == headers.ce_type


READABLE: list[tuple[InputFormat, Input]] = [
    *(("json", odd) for odd in ODD_JSON),
    *(("text", odd) for odd in ODD_TEXT),
    *(("cloudevents", good) for good in GOOD_CLOUDEVENTS),
]


@pytest.mark.parametrize(("format", "odd"), [pytest.param(*case, id=case[1].name) for case in READABLE])
def test_event_of_any_readable_record_is_readable(format: InputFormat, odd: Input) -> None:
    """Whatever intake lets through, a consumer can parse the event made from it and finds the payload in it."""
    intake = Intake(format=format, pointer=POINTER, max_value_bytes=MAX_VALUE_BYTES)
    record = record_of(odd.value, odd.headers)
    found = intake(record)

    outgoing = rendered(record, found=found)

    event = EnrichedEvent.model_validate_json(outgoing.value or b"")
    assert event.payload == EnrichedEvent.model_validate(json.loads(outgoing.value or b"")).payload
    assert json.loads(found.payload) == json.loads(outgoing.value or b"")["payload"]
    assert found.payload in (outgoing.value or b"")


def test_input_headers_pass_and_ours_win() -> None:
    """Headers of the input come through in order, but not those that an event has of its own."""
    headers: tuple[Header, ...] = (
        ("a", b"\xff"),
        ("CE_ID", b"old"),
        ("traceparent", b"00"),
        ("Content-Type", b"x"),
        ("a", None),
    )

    outgoing = rendered(record_of(b"{}", headers))

    assert (("a", b"\xff"), ("traceparent", b"00"), ("a", None)) == outgoing.headers[:3]
    assert EVENT_HEADERS == tuple(name for name, _ in outgoing.headers[3:])


@pytest.mark.parametrize(
    ("destination", "before"),
    [(Destination.OUTPUT, b"\0\0\0\0\7"), (Destination.REVIEW, b"")],
)
def test_a_frame_stands_before_the_events_of_its_topic(destination: Destination, before: bytes) -> None:
    """And nowhere else; the rest is the same event."""
    provenance = Provenance(model=MODEL, policy=None, group="emostream", version="0.1.0")
    framing = EventRenderer(provenance, {Destination.OUTPUT: b"\0\0\0\0\7"})
    given = {
        "destination": destination,
        "record": record_of(b"{}"),
        "found": Found("fine", b'{"text": "fine"}'),
        "prediction": Prediction(SCORES, 3, False),
        "scores": rounded(SCORES[None])[0],
        "decision": ACCEPTED,
        "processed_at": NOW,
    }

    framed, plain = framing.event(**given), renderer_of().event(**given)  # type: ignore[arg-type]

    assert before + (plain.value or b"") == framed.value


@pytest.mark.parametrize("bad", BAD_JSON, ids=lambda bad: bad.name)
def test_dead_letter_keeps_the_record(bad: Input) -> None:
    """A dead letter has the key, value and headers of its record, and headers that can be read and say why."""
    record = record_of(bad.value, (("a", None), ("b", b"\xff")), key=b"\x00")
    intake = Intake(format="json", pointer=POINTER, max_value_bytes=MAX_VALUE_BYTES)
    with pytest.raises(RecordError) as refusal:
        intake(record)

    letter = renderer_of().dead_letter(record, refusal.value)

    own, ours = DeadLetterHeaders.split(letter.headers)
    assert (record.key, record.value, list(record.headers)) == (letter.key, letter.value, own)
    assert (bad.reason, "texts", 3, 1042) == (ours.reason, ours.source_topic, ours.source_partition, ours.source_offset)
    Draft202012Validator(SCHEMAS["emostream.dead-letter-headers/1"]).validate(texts_of(letter.headers[2:]))


def test_policy_reference_of_the_worker_is_the_documented_one() -> None:
    """What events say of a policy file is what the documentation shows for the documented file."""
    rule = rule_for(MODEL, examples.POLICY, min_confidence=0.5)

    assert POLICY == reference(examples.POLICY, rule)
