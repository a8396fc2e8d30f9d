"""The closed lists of a dead letter: where a record failed, and why. Without pydantic, so that every command can afford
to know the errors."""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class Stage(StrEnum):
    """Where a dead-lettered record failed."""

    DECODE = "decode"
    INFERENCE = "inference"
    PUBLISH = "publish"


class DeadReason(StrEnum):
    """Why a record is dead."""

    INVALID_JSON = "invalid_json"
    INVALID_ENCODING = "invalid_encoding"
    INVALID_FRAMING = "invalid_framing"
    INVALID_CLOUDEVENT = "invalid_cloudevent"
    MISSING_TEXT = "missing_text"
    NOT_A_STRING = "not_a_string"
    EMPTY_TEXT = "empty_text"
    NULL_VALUE = "null_value"
    TOO_LARGE = "too_large"
    TOKENIZATION_FAILED = "tokenization_failed"
    INFERENCE_FAILED = "inference_failed"
    EVENT_TOO_LARGE = "event_too_large"


DEAD_REASON_MEANINGS: Final[dict[DeadReason, str]] = {
    DeadReason.INVALID_JSON: "The value is not JSON that every consumer could read again.",
    DeadReason.INVALID_ENCODING: "The value is not UTF-8.",
    DeadReason.INVALID_FRAMING: "No magic byte and schema id before the value (`schema_registry.input: confluent`).",
    DeadReason.INVALID_CLOUDEVENT: "A required CloudEvents attribute is missing or malformed.",
    DeadReason.MISSING_TEXT: "There is nothing where the JSON pointer points.",
    DeadReason.NOT_A_STRING: "There is something else than a string where the JSON pointer points.",
    DeadReason.EMPTY_TEXT: "The text is empty or only whitespace.",
    DeadReason.NULL_VALUE: "The record has no value (a tombstone).",
    DeadReason.TOO_LARGE: "The value is larger than `input.max_value_bytes`.",
    DeadReason.TOKENIZATION_FAILED: "The model's tokenizer refuses the text.",
    DeadReason.INFERENCE_FAILED: "The model fails on this text, also alone.",
    DeadReason.EVENT_TOO_LARGE: "The event made from it is larger than the outgoing topic or the client allows.",
}
