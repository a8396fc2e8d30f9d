"""What intake finds in a record, and which records it refuses with which reason."""

from __future__ import annotations

import json
from typing import get_args

import pytest
from cloudevents.core.bindings import kafka
from cloudevents.core.v1.event import CloudEvent
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.bad_inputs import (
    BAD_CLOUDEVENTS,
    BAD_JSON,
    BAD_TEXT,
    ENVELOPE_HEADERS,
    GOOD_CLOUDEVENTS,
    MAX_VALUE_BYTES,
    ODD_JSON,
    ODD_TEXT,
    POINTER,
    Input,
    binary_headers,
    envelope,
)
from worker.errors import ConfigError, DeadReason, RecordError, Stage
from worker.intake import InputFormat, Intake
from worker.records import Found, Header, Record

MESSAGE = "a secret that only the record may tell"


def record_of(value: bytes | None, headers: tuple[Header, ...] = ()) -> Record:
    return Record("texts", 3, 1042, 1_795_255_200_000, b"key", value, headers)


def intake_of(format: InputFormat = "json", pointer: str = POINTER, max_value_bytes: int = MAX_VALUE_BYTES) -> Intake:
    return Intake(format=format, pointer=pointer, max_value_bytes=max_value_bytes)


BAD = [
    *(pytest.param("json", bad, id=f"json: {bad.name}") for bad in BAD_JSON),
    *(pytest.param("text", bad, id=f"text: {bad.name}") for bad in BAD_TEXT),
    *(pytest.param("cloudevents", bad, id=f"cloudevents: {bad.name}") for bad in BAD_CLOUDEVENTS),
]
ODD = [
    *(pytest.param("json", odd, id=f"json: {odd.name}") for odd in ODD_JSON),
    *(pytest.param("text", odd, id=f"text: {odd.name}") for odd in ODD_TEXT),
    *(pytest.param("cloudevents", good, id=f"cloudevents: {good.name}") for good in GOOD_CLOUDEVENTS),
]


@pytest.mark.parametrize(("format", "bad"), BAD)
def test_bad_record_is_refused(format: InputFormat, bad: Input) -> None:
    """A record without a readable text is refused at decoding, with its reason and in one line."""
    intake = intake_of(format)

    with pytest.raises(RecordError) as refusal:
        intake(record_of(bad.value, bad.headers))

    assert (Stage.DECODE, bad.reason) == (refusal.value.stage, refusal.value.reason)
    assert 1 == len(refusal.value.detail.splitlines())


@pytest.mark.parametrize(("format", "odd"), ODD)
def test_odd_record_is_read(format: InputFormat, odd: Input) -> None:
    """A record that is only unusual gives its text, and a payload that is JSON."""
    found = intake_of(format)(record_of(odd.value, odd.headers))

    assert odd.text == found.text
    json.loads(found.payload)


def test_every_decoding_reason_is_in_the_tables() -> None:
    """No reason that intake can give by default is missing from the shared tables of bad inputs."""
    later = {
        DeadReason.INVALID_FRAMING,
        DeadReason.TOKENIZATION_FAILED,
        DeadReason.INFERENCE_FAILED,
        DeadReason.EVENT_TOO_LARGE,
    }

    assert set(DeadReason) - later == {bad.reason for bad in (*BAD_JSON, *BAD_TEXT, *BAD_CLOUDEVENTS)}


@pytest.mark.parametrize("value", [b'{"text": "a", "n": 1.10, "n": 12345678901234567890123}', b'{"text":"\\u0061"}'])
def test_payload_is_the_bytes_of_the_value(value: bytes) -> None:
    """The payload keeps numbers, escapes, spaces and repeated keys as they came."""
    found = intake_of()(record_of(value))

    assert value == found.payload


def test_payload_loses_what_stands_around_the_value() -> None:
    """A byte order mark and outer whitespace are no part of the JSON value, and would not embed."""
    found = intake_of()(record_of(b'\xef\xbb\xbf\n {"text": "a"} \r\n'))

    assert b'{"text": "a"}' == found.payload


@pytest.mark.parametrize(
    "data",
    [
        b'{"text": "fine", "n": 1.10, "n": 12345678901234567890123}',
        b'{ "a": {"data": 1}, "text" : "fine", "b": [":", "}", "\\"", "\\\\"] }',
        b'{"text":"f\\u0069ne","data":{"data":[{}]}}',
    ],
)
@pytest.mark.parametrize(
    "around", [b'{"data":%s,%s', b'{"x":{"data":7},"data":\t%s ,%s', b'{"data":1,"d\\u0061ta":%s,%s']
)
def test_structured_data_keeps_its_bytes(data: bytes, around: bytes) -> None:
    """The payload of a structured event is its data member as it was written, wherever it stands."""
    value = around.replace(b"%s", data, 1).replace(b"%s", envelope()[1:], 1)

    found = intake_of("cloudevents")(record_of(value, ENVELOPE_HEADERS))

    assert ("fine", data) == (found.text, found.payload.strip())


@pytest.mark.parametrize("format", ["text", "cloudevents"])
def test_plain_text_becomes_a_json_payload(format: InputFormat) -> None:
    """A plain text, as a value or as the data of an event, is wrapped in an object with the key `text`."""
    found = intake_of(format)(record_of('say "é"\n'.encode(), binary_headers(content_type="text/plain")))

    assert Found('say "é"\n', '{"text":"say \\"é\\"\\n"}'.encode()) == found


@pytest.mark.parametrize(
    ("pointer", "value", "text"),
    [
        ("", b'"whole"', "whole"),
        ("/", b'{"": "empty key"}', "empty key"),
        ("/a/b/c", b'{"a": {"b": {"c": "deep"}}}', "deep"),
        ("/a/1", b'{"a": ["zero", "one"]}', "one"),
        ("/0", b'["zero"]', "zero"),
        ("/1", b'{"1": "a key of digits"}', "a key of digits"),
        ("/a~1b", b'{"a/b": "slash"}', "slash"),
        ("/m~0n", b'{"m~n": "tilde"}', "tilde"),
        ("/~01", b'{"~1": "tilde one"}', "tilde one"),
        ("/-", b'{"-": "a dash"}', "a dash"),
        ("/ é", '{" é": "any key"}'.encode(), "any key"),
    ],
)
def test_pointer_leads_to_the_text(pointer: str, value: bytes, text: str) -> None:
    """A JSON pointer finds keys, array indices, escaped characters and the whole document."""
    found = intake_of(pointer=pointer)(record_of(value))

    assert text == found.text


@pytest.mark.parametrize(
    ("pointer", "value"),
    [
        ("/text/0", b'{"text": "abc"}'),
        ("/a/b", b'{"a": 7}'),
        ("/a/b", b'{"a": null}'),
        ("/a/2", b'{"a": ["zero", "one"]}'),
        ("/a/-", b'{"a": ["zero"]}'),
        ("/a/01", b'{"a": ["zero", "one"]}'),
        ("/a/-1", b'{"a": ["zero"]}'),
        ("/a/x", b'{"a": ["zero"]}'),
        ("/a/" + "9" * 5000, b'{"a": ["zero"]}'),
    ],
)
def test_pointer_to_nothing(pointer: str, value: bytes) -> None:
    """A pointer that leads nowhere, into a string or past an array, finds no text."""
    intake = intake_of(pointer=pointer)

    with pytest.raises(RecordError) as refusal:
        intake(record_of(value))

    assert DeadReason.MISSING_TEXT == refusal.value.reason


@pytest.mark.parametrize("pointer", ["text", "#/text", "/a~2", "/a~"])
def test_malformed_pointer_is_refused_at_once(pointer: str) -> None:
    """A pointer that is none is a configuration error that names the key."""
    with pytest.raises(ConfigError, match=r"^input\.text: .* is not a JSON pointer"):
        intake_of(pointer=pointer)


@pytest.mark.parametrize("mode", [kafka.to_binary_event, kafka.to_structured_event])
def test_events_of_the_sdk_are_read(mode: object) -> None:
    """What the CloudEvents SDK writes, in either mode, is found again."""
    event = CloudEvent(
        {"type": "tests.text", "source": "/tests", "datacontenttype": "application/json"}, {"text": "hi"}
    )
    message = mode(event)  # type: ignore[operator]

    found = intake_of("cloudevents")(record_of(message.value, tuple(message.headers.items())))

    assert ("hi", {"text": "hi"}) == (found.text, json.loads(found.payload))


@pytest.mark.parametrize(
    ("format", "value", "headers"),
    [
        ("json", f'{{"text": "{MESSAGE}" "'.encode(), ()),
        ("json", f'{{"text": ["{MESSAGE}"]}}'.encode(), ()),
        ("json", f'{{"{MESSAGE}": "{MESSAGE}"}}'.encode(), ()),
        ("json", f'{{"text": "{MESSAGE}"}}'.encode("utf-16"), ()),
        ("text", MESSAGE.encode() + b"\xff", ()),
        ("cloudevents", b"{}", binary_headers(time=MESSAGE)),
        ("cloudevents", b"{}", binary_headers(specversion=MESSAGE)),
        ("cloudevents", b"{}", binary_headers(content_type=MESSAGE)),
        ("cloudevents", envelope(data_base64=MESSAGE), ENVELOPE_HEADERS),
    ],
)
def test_error_does_not_tell_the_text(format: InputFormat, value: bytes, headers: tuple[Header, ...]) -> None:
    """The detail of an error says what is wrong and where, never what the record says."""
    with pytest.raises(RecordError) as refusal:
        intake_of(format)(record_of(value, headers))

    assert "secret" not in refusal.value.detail


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text() | st.just("text"), inner, max_size=4),
    max_leaves=12,
)
VALUES = st.one_of(
    st.none(),
    st.binary(),
    st.text().map(str.encode),
    JSON_VALUES.map(lambda value: json.dumps(value).encode()),
    JSON_VALUES.map(
        lambda value: json.dumps({"text": value, "data": value, **dict.fromkeys(("id", "type"), "x")}).encode()
    ),
    JSON_VALUES.map(lambda value: envelope(data=value)),
    st.text().map(lambda text: envelope(data_base64=text)),
)
HEADER_NAMES = st.sampled_from(["content-type", "Content-Type", "ce_id", "ce_time", "ce_type", "ce_source", "ce_", ""])
CONTENT_TYPES = st.sampled_from([b"application/cloudevents+json", b"text/plain", b"application/json", b"1.0", b""])
HEADERS = st.lists(st.tuples(HEADER_NAMES | st.text(), st.none() | st.binary() | CONTENT_TYPES), max_size=6).map(tuple)
POINTERS = st.sampled_from(["", "/", "/text", "/0", "/text/0", "/data/text", "/a~1b"])


@given(
    value=VALUES, headers=HEADERS, pointer=POINTERS, format=st.sampled_from(get_args(InputFormat)), whole=st.booleans()
)
@settings(deadline=None)
@example(value=b"[" * 100_000, headers=(), pointer="", format="json", whole=False)
def test_any_record_is_read_or_refused(
    value: bytes | None, headers: tuple[Header, ...], pointer: str, format: InputFormat, whole: bool
) -> None:
    """Whatever bytes come, there is a text with a JSON payload or a RecordError, and nothing else."""
    intake = intake_of(format, pointer, max_value_bytes=1000)

    try:
        found = intake(record_of(value, (*binary_headers(), *headers) if whole else headers))
    except RecordError:
        return

    assert not found.text.isspace()
    assert found.text == found.text.encode().decode()
    json.loads(b'{"payload": ' + found.payload + b"}")
