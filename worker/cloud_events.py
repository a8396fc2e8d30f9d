"""Unwraps CloudEvents 1.0 records (Kafka binding, binary and structured mode) down to the data they carry.

Owns where attributes and data stand in a record and which media types are read; the attributes themselves are judged
by the CloudEvents SDK. Extension attributes are not judged, since no text depends on them. What the data means is
worker.intake's business.
"""

from __future__ import annotations

import base64
import json
import re
from codecs import BOM_UTF8
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import orjson
from cloudevents.core.exceptions import CloudEventValidationError
from cloudevents.core.v1.event import CloudEvent

from worker.errors import DeadReason, RecordError, Stage
from worker.records import Header, Record

PREFIX: Final = "ce_"
STRUCTURED: Final = "application/cloudevents"
STRUCTURED_JSON: Final = "application/cloudevents+json"
REQUIRED: Final = ("specversion", "id", "source", "type")
JUDGED: Final = (*REQUIRED, "subject", "time", "dataschema", "datacontenttype")
READABLE_CHARSETS: Final = frozenset({"utf-8", "utf8", "us-ascii", "ascii"})

_JSON_TYPE = re.compile(r"(application|text)/([\w.-]+\+)?json")
_CHARSET = re.compile(r";\s*charset\s*=\s*\"?([^\s\";]+)")
_SEPARATORS = re.compile(r"[ \t\r\n,:]+")


@dataclass(frozen=True, slots=True)
class Data:
    """What an event carries: the bytes of a JSON document, or of a plain text (`is_text`), meant to be UTF-8."""

    content: bytes
    is_text: bool


def unwrap(record: Record, value: bytes) -> Data:
    """The data of the event in `record`, whose value is `value`. Raises RecordError.

    The content type tells structured mode, as the Kafka binding says; a record without any `ce_` header is read as
    structured too, because some producers leave the content type out.
    """
    attributes, content_type = _read_headers(record.headers)
    media_type = _media_type(content_type)
    if media_type.startswith(STRUCTURED):
        if media_type != STRUCTURED_JSON:
            raise _invalid(f"structured events are read as {STRUCTURED_JSON} only")
        return _unwrap_structured(value)
    if not attributes:
        return _unwrap_structured(value)
    if content_type is not None:
        attributes["datacontenttype"] = content_type
    _judge(attributes)
    return Data(value, _holds_text(attributes))


def _read_headers(headers: tuple[Header, ...]) -> tuple[dict[str, Any], str | None]:
    """The judged attributes and the content type; header names are read in any case, of repeated ones the last."""
    attributes: dict[str, Any] = {}
    content_type = None
    for name, value in headers:
        lowered = name.lower()
        if value is None:
            continue
        if lowered == "content-type":
            content_type = _text_of(lowered, value)
        elif lowered.startswith(PREFIX) and lowered.removeprefix(PREFIX) in JUDGED:
            attributes[lowered.removeprefix(PREFIX)] = _text_of(lowered, value)
    return attributes, content_type


def _text_of(name: str, value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise _invalid(f"header {name} is not UTF-8") from None


def _unwrap_structured(value: bytes) -> Data:
    document = value.removeprefix(BOM_UTF8)
    try:
        envelope = orjson.loads(document)
    except orjson.JSONDecodeError:
        raise _invalid("the value is not the JSON envelope of an event") from None
    if not isinstance(envelope, dict):
        raise _invalid("the envelope of the event is not a JSON object")
    attributes = {name: envelope[name] for name in JUDGED if envelope.get(name) is not None}
    _judge(attributes)
    is_text = _holds_text(attributes)
    if envelope.get("data_base64") is not None:
        if envelope.get("data") is not None:
            raise _invalid("both data and data_base64")
        return Data(_decode_base64(envelope["data_base64"]), is_text)
    if "data" not in envelope:
        raise RecordError(Stage.DECODE, DeadReason.MISSING_TEXT, "the event has no data")
    if not is_text:
        return Data(_member_as_written(document, "data"), is_text=False)
    if not isinstance(envelope["data"], str):
        raise RecordError(Stage.DECODE, DeadReason.NOT_A_STRING, "the data of a text event is not a string")
    return Data(envelope["data"].encode(), is_text=True)


def _judge(attributes: Mapping[str, Any]) -> None:
    """Refuse what the specification refuses. The SDK makes up what is missing, so that is looked at first."""
    missing = [name for name in REQUIRED if name not in attributes]
    if missing:
        raise _invalid(f"no attribute {', '.join(missing)}")
    judged = dict(attributes)
    try:
        if "time" in judged:
            judged["time"] = datetime.fromisoformat(judged["time"])
        CloudEvent(judged)
    except CloudEventValidationError as error:
        raise _invalid(f"malformed attribute {', '.join(sorted(error.errors))}") from None
    except (TypeError, ValueError):
        raise _invalid("malformed attribute time") from None


def _media_type(content_type: str | None) -> str:
    return (content_type or "").partition(";")[0].strip().lower()


def _holds_text(attributes: Mapping[str, str]) -> bool:
    """Whether the data is a plain text, else it is JSON (also without a type). Raises RecordError for other data."""
    content_type = attributes.get("datacontenttype")
    if content_type is None:
        return False
    charset = _CHARSET.search(content_type.lower())
    if charset and charset[1] not in READABLE_CHARSETS:
        raise RecordError(
            Stage.DECODE, DeadReason.INVALID_ENCODING, "the content type names another charset than UTF-8"
        )
    media_type = _media_type(content_type)
    if _JSON_TYPE.fullmatch(media_type):
        return False
    if media_type.startswith("text/"):
        return True
    raise RecordError(Stage.DECODE, DeadReason.INVALID_JSON, "the content type of the data is neither JSON nor text")


def _decode_base64(data: object) -> bytes:
    if not isinstance(data, str):
        raise _invalid("data_base64 is not a string")
    try:
        return base64.b64decode(data, validate=True)
    except ValueError:
        raise _invalid("data_base64 is not Base64") from None


def _member_as_written(document: bytes, name: str) -> bytes:
    """The bytes of a member of a valid JSON object, of repeated ones the last; numbers and escapes stay as they are."""
    text = document.decode()
    decode = json.JSONDecoder().raw_decode
    found = ""
    place = _past_separators(text, text.index("{") + 1)
    try:
        while text[place] != "}":
            key, place = decode(text, place)
            start = _past_separators(text, place)
            _, end = decode(text, start)
            if key == name:
                found = text[start:end]
            place = _past_separators(text, end)
    except RecursionError:
        raise RecordError(Stage.DECODE, DeadReason.INVALID_JSON, "the event is nested too deeply") from None
    return found.encode()


def _past_separators(text: str, place: int) -> int:
    separators = _SEPARATORS.match(text, place)
    return separators.end() if separators else place


def _invalid(detail: str) -> RecordError:
    return RecordError(Stage.DECODE, DeadReason.INVALID_CLOUDEVENT, detail)
