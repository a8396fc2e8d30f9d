"""Finds the text in a record, or says why there is none. Pure: bytes in, `Found` or RecordError out.

Owns what a readable record is; error details name places and sizes, never what a record says. CloudEvents are
unwrapped by worker.cloud_events, and the data in them is judged here like any other.
"""

from __future__ import annotations

from codecs import BOM_UTF8
from typing import Any, Final, Literal, NoReturn

import orjson
from jsonpointer import EndOfList, JsonPointer, JsonPointerException

from worker.cloud_events import unwrap
from worker.errors import ConfigError, DeadReason, RecordError, Stage
from worker.records import Found, Record
from worker.registry.wire import unframed

InputFormat = Literal["json", "text", "cloudevents"]

MAX_NESTING: Final = 100
"""Levels of arrays and objects in a payload. The event nests it one deeper, and its readers must still parse that:
pydantic stops at 200 levels, serde_json at 128."""

_JSON_WHITESPACE = b" \t\r\n"
_NOTHING: Final = object()


class Intake:
    """Called with a record, gives what was found in it. Stateless between records.

    `pointer` (RFC 6901) says where in a JSON value, or in the JSON data of a CloudEvent, the text stands; the empty
    one means that the whole value is the text. Raises ConfigError when it is malformed. `framed`: a schema's id stands
    before every value.
    """

    def __init__(self, *, format: InputFormat, pointer: str, max_value_bytes: int, framed: bool = False) -> None:
        try:
            self._pointer = JsonPointer(pointer)
        except JsonPointerException as error:
            raise ConfigError(
                f"input.text: {pointer!r} is not a JSON pointer (RFC 6901), e.g. /text: {error}"
            ) from error
        parts = self._pointer.parts
        self._pointer_text = pointer
        self._only_key: str | None = parts[0] if len(parts) == 1 else None
        self._format = format
        self._max_value_bytes = max_value_bytes
        self._framed = framed

    def __call__(self, record: Record) -> Found:
        """Raises RecordError (stage `decode`) when the record cannot have an event."""
        value = record.value
        if value is None:
            _refuse(DeadReason.NULL_VALUE, "the record has no value")
        if len(value) > self._max_value_bytes:
            _refuse(
                DeadReason.TOO_LARGE,
                f"the value has {len(value)} bytes, input.max_value_bytes is {self._max_value_bytes}",
            )
        if self._framed:
            value = unframed(value)
        if self._format == "json":
            return self._find_in_json(value)
        if self._format == "text":
            return _find_in_text(value)
        data = unwrap(record, value)
        return _find_in_text(data.content) if data.is_text else self._find_in_json(data.content)

    def _find_in_json(self, value: bytes) -> Found:
        payload = _trimmed(value)
        document = _parse(payload)
        text = self._at_pointer(document)
        if type(text) is not str:
            if text is _NOTHING:
                _refuse(DeadReason.MISSING_TEXT, f"nothing at {self._pointer_text!r}")
            _refuse(DeadReason.NOT_A_STRING, f"not a string at {self._pointer_text!r}")
        return Found(_not_blank(text), payload)

    def _at_pointer(self, document: Any) -> Any:
        if self._only_key is not None and type(document) is dict:
            return document.get(self._only_key, _NOTHING)
        found = self._pointer.resolve(document, _NOTHING)
        return _NOTHING if isinstance(found, EndOfList) else found


def _find_in_text(value: bytes) -> Found:
    try:
        text = value.removeprefix(BOM_UTF8).decode()
    except UnicodeDecodeError as error:
        _refuse_encoding(error)
    return Found(_not_blank(text), orjson.dumps({"text": text}))


def _trimmed(value: bytes) -> bytes:
    """Without what may stand around a JSON value, so that the rest can be embedded in another one."""
    return value.removeprefix(BOM_UTF8).strip(_JSON_WHITESPACE)


def _parse(payload: bytes) -> Any:
    """The document, if every consumer could read it again inside an event.

    orjson refuses what would make trouble there: NaN, numbers beyond a double, lone surrogates, more than 1024 levels.
    """
    try:
        document = orjson.loads(payload)
    except orjson.JSONDecodeError as error:
        _check_encoding(payload)
        _refuse(DeadReason.INVALID_JSON, f"not JSON: {error}")
    openings = payload.count(b"[") + payload.count(b"{")
    if openings > MAX_NESTING and _nests_deeper(document, MAX_NESTING):
        _refuse(DeadReason.INVALID_JSON, f"nested deeper than {MAX_NESTING} levels")
    return document


def _nests_deeper(document: Any, levels: int) -> bool:
    nodes = [document]
    for _ in range(levels + 1):
        nodes = [node for node in nodes if isinstance(node, dict | list)]
        if not nodes:
            return False
        nodes = [child for node in nodes for child in (node.values() if isinstance(node, dict) else node)]
    return True


def is_blank(text: str) -> bool:
    """Whether there is nothing in it to classify."""
    return not text or text.isspace()


def _not_blank(text: str) -> str:
    if is_blank(text):
        _refuse(DeadReason.EMPTY_TEXT, "the text is empty" if not text else "the text is only whitespace")
    return text


def _check_encoding(value: bytes) -> None:
    try:
        value.decode()
    except UnicodeDecodeError as error:
        _refuse_encoding(error)


def _refuse_encoding(error: UnicodeDecodeError) -> NoReturn:
    _refuse(DeadReason.INVALID_ENCODING, f"not UTF-8: {error.reason} at byte {error.start}")


def _refuse(reason: DeadReason, detail: str) -> NoReturn:
    """Raised apart from the parser's own error, which holds the whole text."""
    raise RecordError(Stage.DECODE, reason, detail) from None
