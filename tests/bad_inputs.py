"""Records that a worker must not choke on, with what must become of each: shared by the unit and end-to-end tests.

`BAD_JSON` and `ODD_JSON` are for `input.format: json` with the pointer `/text` and the default `max_value_bytes`.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass

from schemas.dead_letter import DeadReason

Headers = tuple[tuple[str, bytes | None], ...]

MAX_VALUE_BYTES = 262_144
POINTER = "/text"
DEEP = 100_000
LONG_TEXT = 100_000


@dataclass(frozen=True)
class Input:
    """A record's value and headers; `reason` is that of its dead letter, or None when it must get an event."""

    name: str
    value: bytes | None
    reason: DeadReason | None = None
    headers: Headers = ()
    text: str | None = None


def _deep(*, levels: int) -> bytes:
    """A readable text beside arrays so nested that the whole document has `levels` levels."""
    return b'{"text": "fine", "deep": ' + b"[" * (levels - 1) + b"]" * (levels - 1) + b"}"


BAD_JSON: tuple[Input, ...] = (
    Input("tombstone", None, DeadReason.NULL_VALUE),
    Input("empty value", b"", DeadReason.INVALID_JSON),
    Input("blank value", b" \n", DeadReason.INVALID_JSON),
    Input("not JSON", b"plain words", DeadReason.INVALID_JSON),
    Input("cut off", b'{"text": "I am', DeadReason.INVALID_JSON),
    Input("two documents", b'{"text": "one"} {"text": "two"}', DeadReason.INVALID_JSON),
    Input("trailing comma", b'{"text": "one",}', DeadReason.INVALID_JSON),
    Input("single quotes", b"{'text': 'one'}", DeadReason.INVALID_JSON),
    Input("a bare NUL byte", b"\x00", DeadReason.INVALID_JSON),
    Input("a bare NUL in a string", b'{"text": "a\x00b"}', DeadReason.INVALID_JSON),
    Input("NaN", b'{"text": "fine", "n": NaN}', DeadReason.INVALID_JSON),
    Input("a number beyond a double", b'{"text": "fine", "n": 1e400}', DeadReason.INVALID_JSON),
    Input("5 000 digits", b'{"text": "fine", "n": ' + b"9" * 5000 + b"}", DeadReason.INVALID_JSON),
    Input("lone high surrogate", rb'{"text": "broken \ud83d emoji"}', DeadReason.INVALID_JSON),
    Input("lone low surrogate", rb'{"text": "broken \ude00 emoji"}', DeadReason.INVALID_JSON),
    Input("lone surrogate in another field", rb'{"text": "fine", "n": "\udc00"}', DeadReason.INVALID_JSON),
    Input("lone surrogate in a key", rb'{"text": "fine", "\ud800": 1}', DeadReason.INVALID_JSON),
    Input("only opening brackets", b"[" * DEEP, DeadReason.INVALID_JSON),
    Input("only opening braces", b'{"a":' * 50_000, DeadReason.INVALID_JSON),
    Input("deep and balanced", b"[" * DEEP + b"]" * DEEP, DeadReason.INVALID_JSON),
    Input("deep beside a text", _deep(levels=101), DeadReason.INVALID_JSON),
    Input("invalid UTF-8", b'{"text": "caf\xe9"}', DeadReason.INVALID_ENCODING),
    Input("cut inside a character", '{"text": "né"}'.encode()[:-3], DeadReason.INVALID_ENCODING),
    Input("a surrogate in UTF-8", b'{"text": "\xed\xa0\x80"}', DeadReason.INVALID_ENCODING),
    Input("UTF-16 with its mark", '{"text": "fine"}'.encode("utf-16"), DeadReason.INVALID_ENCODING),
    Input("UTF-16 without a mark", '{"text": "fine"}'.encode("utf-16-le"), DeadReason.INVALID_JSON),
    Input("random bytes", bytes(range(128, 256)), DeadReason.INVALID_ENCODING),
    Input("no such field", b'{"message": "fine"}', DeadReason.MISSING_TEXT),
    Input("field in another case", b'{"Text": "fine"}', DeadReason.MISSING_TEXT),
    Input("empty object", b"{}", DeadReason.MISSING_TEXT),
    Input("an array", b'["text"]', DeadReason.MISSING_TEXT),
    Input("a bare string", b'"text"', DeadReason.MISSING_TEXT),
    Input("a bare number", b"7", DeadReason.MISSING_TEXT),
    Input("JSON null", b"null", DeadReason.MISSING_TEXT),
    Input("null field", b'{"text": null}', DeadReason.NOT_A_STRING),
    Input("number field", b'{"text": 7}', DeadReason.NOT_A_STRING),
    Input("boolean field", b'{"text": true}', DeadReason.NOT_A_STRING),
    Input("object field", b'{"text": {"text": "fine"}}', DeadReason.NOT_A_STRING),
    Input("array field", b'{"text": ["fine"]}', DeadReason.NOT_A_STRING),
    Input("repeated key, the last is no string", b'{"text": "fine", "text": 7}', DeadReason.NOT_A_STRING),
    Input("empty text", b'{"text": ""}', DeadReason.EMPTY_TEXT),
    Input("blank text", rb'{"text": " \t\n"}', DeadReason.EMPTY_TEXT),
    Input("blank beyond ASCII", '{"text": "\u2003\u3000\u00a0"}'.encode(), DeadReason.EMPTY_TEXT),
    Input("too large", b'{"text": "' + b"x" * MAX_VALUE_BYTES + b'"}', DeadReason.TOO_LARGE),
    Input("too large and not JSON", b"\xff" * (MAX_VALUE_BYTES + 1), DeadReason.TOO_LARGE),
)

ODD_JSON: tuple[Input, ...] = (
    Input("NUL characters", rb'{"text": "a\u0000b\u0000"}', text="a\0b\0"),
    Input("only a NUL character", rb'{"text": "\u0000"}', text="\0"),
    Input("emoji", '{"text": "so happy 😀👩‍👩‍👧‍👦🏳️‍🌈"}'.encode(), text="so happy 😀👩‍👩‍👧‍👦🏳️‍🌈"),
    Input("escaped emoji", rb'{"text": "\ud83d\ude00"}', text="😀"),
    Input("right to left", '{"text": "أنا سعيد جدا שלום"}'.encode(), text="أنا سعيد جدا שלום"),
    Input("direction marks", '{"text": "\u202eabc\u202c \u200f"}'.encode(), text="\u202eabc\u202c \u200f"),
    Input(
        "combining marks",
        '{"text": "Z\u0351\u036b\u0343a\u0334\u033e"}'.encode(),
        text="Z\u0351\u036b\u0343a\u0334\u033e",
    ),
    Input("no space at all", b'{"text": "' + b"x" * LONG_TEXT + b'"}', text="x" * LONG_TEXT),
    Input("one letter", b'{"text": "a"}', text="a"),
    Input("zero width", '{"text": "\u200b"}'.encode(), text="\u200b"),
    Input("noncharacter", '{"text": "\uffff\ufffe"}'.encode(), text="\uffff\ufffe"),
    Input("byte order mark", b'\xef\xbb\xbf{"text": "fine"}', text="fine"),
    Input("space around", b' \r\n\t{"text": "fine"}\n', text="fine"),
    Input("repeated keys", b'{"text": 7, "text": "fine"}', text="fine"),
    Input("large numbers", b'{"text": "fine", "n": 123456789012345678901234567890}', text="fine"),
    Input("a long fraction", b'{"text": "fine", "n": 0.' + b"1" * 5000 + b"}", text="fine"),
    Input("minus zero", b'{"text": "fine", "n": -0.0}', text="fine"),
    Input("empty key", b'{"": 1, "text": "fine"}', text="fine"),
    Input("as deep as allowed", _deep(levels=100), text="fine"),
    Input("many brackets, not deep", b'{"text": "fine", "n": [' + b"[]," * 5000 + b"[]]}", text="fine"),
    Input("brackets in the text", b'{"text": "' + b"[" * 5000 + b'"}', text="[" * 5000),
    Input(
        "as large as allowed", b'{"text": "' + b"x" * (MAX_VALUE_BYTES - 12) + b'"}', text="x" * (MAX_VALUE_BYTES - 12)
    ),
)

BAD_TEXT: tuple[Input, ...] = (
    Input("tombstone", None, DeadReason.NULL_VALUE),
    Input("empty value", b"", DeadReason.EMPTY_TEXT),
    Input("only a byte order mark", b"\xef\xbb\xbf", DeadReason.EMPTY_TEXT),
    Input("blank value", b" \r\n\t", DeadReason.EMPTY_TEXT),
    Input("Latin-1", b"caf\xe9", DeadReason.INVALID_ENCODING),
    Input("overlong form", b"\xc0\xaf", DeadReason.INVALID_ENCODING),
    Input("beyond Unicode", b"\xf5\x80\x80\x80", DeadReason.INVALID_ENCODING),
    Input("too large", b"x" * (MAX_VALUE_BYTES + 1), DeadReason.TOO_LARGE),
)

ODD_TEXT: tuple[Input, ...] = (
    Input("NUL bytes", b"a\x00b", text="a\0b"),
    Input("byte order mark", b"\xef\xbb\xbffine", text="fine"),
    Input("JSON is text too", b'{"text": "fine"}', text='{"text": "fine"}'),
    Input("quotes and backslashes", rb'"\ud800"', text=r'"\ud800"'),
    Input("control characters", bytes(range(32)) + b"x", text="".join(map(chr, range(32))) + "x"),
    Input("space is kept", b" fine \n", text=" fine \n"),
)

ATTRIBUTES: dict[str, str] = {"specversion": "1.0", "id": "a-1", "source": "/tests", "type": "tests.text"}
ENVELOPE_HEADERS: Headers = (("content-type", b"application/cloudevents+json"),)


def binary_headers(**changes: str | None) -> Headers:
    """CloudEvents headers of binary mode; `content_type` names that header, None leaves an attribute out."""
    content_type = changes.pop("content_type", "application/json")
    attributes = {**ATTRIBUTES, **changes}
    headers = tuple((f"ce_{name}", value.encode()) for name, value in attributes.items() if value is not None)
    return headers if content_type is None else (*headers, ("content-type", content_type.encode()))


def envelope(**members: object) -> bytes:
    """A CloudEvent of structured mode; a member that is None is left out."""
    return json.dumps({name: value for name, value in {**ATTRIBUTES, **members}.items() if value is not None}).encode()


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


_FINE = b'{"text": "fine"}'

BAD_CLOUDEVENTS: tuple[Input, ...] = (
    Input("tombstone", None, DeadReason.NULL_VALUE, binary_headers()),
    *(
        Input(f"binary without {name}", _FINE, DeadReason.INVALID_CLOUDEVENT, binary_headers(**{name: None}))
        for name in ATTRIBUTES
    ),
    *(
        Input(f"binary with an empty {name}", _FINE, DeadReason.INVALID_CLOUDEVENT, binary_headers(**{name: ""}))
        for name in ATTRIBUTES
    ),
    Input("another version", _FINE, DeadReason.INVALID_CLOUDEVENT, binary_headers(specversion="0.3")),
    Input("no time at all", _FINE, DeadReason.INVALID_CLOUDEVENT, binary_headers(time="yesterday")),
    Input("time without a zone", _FINE, DeadReason.INVALID_CLOUDEVENT, binary_headers(time="2026-11-21T10:00:00")),
    Input("header not UTF-8", _FINE, DeadReason.INVALID_CLOUDEVENT, (*binary_headers(id=None), ("ce_id", b"\xff"))),
    Input("null header", _FINE, DeadReason.INVALID_CLOUDEVENT, (*binary_headers(id=None), ("ce_id", None))),
    Input("neither mode", _FINE, DeadReason.INVALID_CLOUDEVENT),
    Input("neither mode, not JSON", b"words", DeadReason.INVALID_CLOUDEVENT),
    Input("binary, not JSON", b"words", DeadReason.INVALID_JSON, binary_headers()),
    Input("binary, empty", b"", DeadReason.INVALID_JSON, binary_headers()),
    Input("binary, no such field", b"{}", DeadReason.MISSING_TEXT, binary_headers()),
    Input("binary, Avro", b"Obj\x01", DeadReason.INVALID_JSON, binary_headers(content_type="application/avro")),
    Input(
        "binary text, Latin-1",
        b"fine",
        DeadReason.INVALID_ENCODING,
        binary_headers(content_type="text/plain;charset=latin1"),
    ),
    Input("binary text, not UTF-8", b"\xff", DeadReason.INVALID_ENCODING, binary_headers(content_type="text/plain")),
    Input("envelope is an array", b"[]", DeadReason.INVALID_CLOUDEVENT, ENVELOPE_HEADERS),
    Input("envelope is cut off", b'{"specversion":', DeadReason.INVALID_CLOUDEVENT, ENVELOPE_HEADERS),
    Input("envelope is deep", b"[" * DEEP, DeadReason.INVALID_CLOUDEVENT, ENVELOPE_HEADERS),
    Input(
        "deep data",
        envelope(data=7).replace(b"7", b"[" * 90_000 + b"]" * 90_000),
        DeadReason.INVALID_CLOUDEVENT,
        ENVELOPE_HEADERS,
    ),
    *(
        Input(
            f"data of {levels} levels",
            envelope(data=7).replace(b"7", b"[" * levels + b"]" * levels),
            DeadReason.INVALID_JSON,
            ENVELOPE_HEADERS,
        )
        for levels in (101, 900, 990, 1000, 1010, 1023)
    ),
    Input(
        "envelope without type",
        envelope(type=None, data={"text": "fine"}),
        DeadReason.INVALID_CLOUDEVENT,
        ENVELOPE_HEADERS,
    ),
    Input(
        "envelope with a number as id",
        envelope(id=7, data={"text": "fine"}),
        DeadReason.INVALID_CLOUDEVENT,
        ENVELOPE_HEADERS,
    ),
    Input("envelope with a number as time", envelope(time=7, data={}), DeadReason.INVALID_CLOUDEVENT, ENVELOPE_HEADERS),
    Input(
        "envelope with a number as content type",
        envelope(datacontenttype=7, data={}),
        DeadReason.INVALID_CLOUDEVENT,
        ENVELOPE_HEADERS,
    ),
    Input("a batch", b"[]", DeadReason.INVALID_CLOUDEVENT, (("content-type", b"application/cloudevents-batch+json"),)),
    Input(
        "Avro envelope", b"Obj\x01", DeadReason.INVALID_CLOUDEVENT, (("content-type", b"application/cloudevents+avro"),)
    ),
    Input("envelope without data", envelope(), DeadReason.MISSING_TEXT, ENVELOPE_HEADERS),
    Input("envelope with null data", b'{"data": null,' + envelope()[1:], DeadReason.MISSING_TEXT, ENVELOPE_HEADERS),
    Input("both kinds of data", envelope(data={}, data_base64=""), DeadReason.INVALID_CLOUDEVENT, ENVELOPE_HEADERS),
    Input("not Base64", envelope(data_base64="***"), DeadReason.INVALID_CLOUDEVENT, ENVELOPE_HEADERS),
    Input("Base64 not ASCII", envelope(data_base64="é"), DeadReason.INVALID_CLOUDEVENT, ENVELOPE_HEADERS),
    Input("Base64 of a number", envelope(data_base64=7), DeadReason.INVALID_CLOUDEVENT, ENVELOPE_HEADERS),
    Input("Base64 of no JSON", envelope(data_base64=_base64(b"words")), DeadReason.INVALID_JSON, ENVELOPE_HEADERS),
    Input(
        "text data is an object",
        envelope(datacontenttype="text/plain", data={}),
        DeadReason.NOT_A_STRING,
        ENVELOPE_HEADERS,
    ),
    Input("too large", b" " * (MAX_VALUE_BYTES + 1), DeadReason.TOO_LARGE, ENVELOPE_HEADERS),
)

GOOD_CLOUDEVENTS: tuple[Input, ...] = (
    Input("binary", _FINE, None, binary_headers(), "fine"),
    Input("binary, no content type", _FINE, None, binary_headers(content_type=None), "fine"),
    Input(
        "binary, content type as attribute",
        b"fine",
        None,
        binary_headers(content_type=None, datacontenttype="text/plain"),
        "fine",
    ),
    Input(
        "binary, JSON with a suffix",
        _FINE,
        None,
        binary_headers(content_type="application/vnd.chat.v1+json; charset=utf-8"),
        "fine",
    ),
    Input("binary, text", "grün".encode(), None, binary_headers(content_type="text/plain; charset=UTF-8"), "grün"),
    Input(
        "binary, names in another case",
        _FINE,
        None,
        tuple((name.upper(), value) for name, value in binary_headers()),
        "fine",
    ),
    Input(
        "binary, content type in another case",
        b"fine",
        None,
        (*binary_headers(content_type=None), ("Content-Type", b"Text/Plain")),
        "fine",
    ),
    Input("binary, of a repeated header the last", _FINE, None, (("ce_id", b""), *binary_headers()), "fine"),
    Input(
        "binary, with time and extensions",
        _FINE,
        None,
        binary_headers(time="2026-11-21T10:00:00.123456789Z", subject="s", My_Extension="x"),
        "fine",
    ),
    Input(
        "binary, an extension that is not UTF-8",
        _FINE,
        None,
        (*binary_headers(), ("ce_other", b"\xff"), ("x", b"\xff"), ("y", None)),
        "fine",
    ),
    Input("structured", envelope(data={"text": "fine"}), None, ENVELOPE_HEADERS, "fine"),
    Input("structured, no content type", envelope(data={"text": "fine"}), None, (), "fine"),
    Input(
        "structured, byte order mark",
        b"\xef\xbb\xbf" + envelope(data={"text": "fine"}),
        None,
        ENVELOPE_HEADERS,
        "fine",
    ),
    Input(
        "structured, with parameters",
        envelope(data={"text": "fine"}),
        None,
        (("Content-Type", b"Application/CloudEvents+JSON; charset=UTF-8"),),
        "fine",
    ),
    Input(
        "structured wins over ce_ headers",
        envelope(data={"text": "fine"}),
        None,
        (("ce_id", b"7"), *ENVELOPE_HEADERS),
        "fine",
    ),
    Input(
        "structured, null attribute",
        b'{"subject": null,' + envelope(data={"text": "fine"})[1:],
        None,
        ENVELOPE_HEADERS,
        "fine",
    ),
    Input("structured, text", envelope(datacontenttype="text/plain", data="fine"), None, ENVELOPE_HEADERS, "fine"),
    Input(
        "structured, data and null Base64",
        b'{"data_base64": null,' + envelope(data={"text": "fine"})[1:],
        None,
        ENVELOPE_HEADERS,
        "fine",
    ),
    Input(
        "structured, Base64 and null data",
        b'{"data": null,' + envelope(data_base64=_base64(_FINE))[1:],
        None,
        ENVELOPE_HEADERS,
        "fine",
    ),
    Input("structured, Base64", envelope(data_base64=_base64(_FINE)), None, ENVELOPE_HEADERS, "fine"),
    Input(
        "structured, Base64 text",
        envelope(datacontenttype="text/plain", data_base64=_base64(b"fine")),
        None,
        ENVELOPE_HEADERS,
        "fine",
    ),
)
