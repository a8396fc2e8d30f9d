"""The AsyncAPI 3.0 document of the topics: who sends what where, made from the schemas."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from schemas.dead_letter import DeadLetterHeaders
from schemas.enriched import ENRICHED_TYPE, EnrichedEvent
from schemas.event_headers import EventHeaders
from schemas.json_schema import components
from schemas.review import REVIEW_TYPE, ReviewEvent

VERSION: Final = "3.0.0"
SCHEMAS: Final = "#/components/schemas/"
MESSAGES: Final = "#/components/messages/"
ANY_BYTES: Final = "application/octet-stream"


@dataclass(frozen=True, slots=True)
class Topics:
    """The names of the topics."""

    input: tuple[str, ...] = ("texts",)
    output: str = "texts.enriched"
    review: str = "texts.review"
    dead_letter: str = "texts.dead-letter"


def asyncapi(topics: Topics, *, version: str) -> dict[str, Any]:
    """The document, for the worker's `version`; an operation is what the worker does with a topic."""
    channels = {
        **_inputs(topics.input),
        "output": _channel(topics.output, "enriched", "An event for each accepted record."),
        "review": _channel(topics.review, "review", "An event for each record that a person should look at."),
        "deadLetter": _channel(topics.dead_letter, "deadLetter", "Each record that cannot have an event, as it came."),
    }
    return {
        "asyncapi": VERSION,
        "info": {
            "title": "emostream",
            "version": version,
            "description": "A worker that classifies the texts of input topics: every record gets exactly one outcome, "
            "in the output, the review or the dead-letter topic.",
            "license": {"name": "Apache-2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0"},
        },
        "defaultContentType": "application/json",
        "channels": channels,
        "operations": {f"{_verb(name)}_{name}": _operation(name, channels[name]) for name in channels},
        "components": {
            "messages": _messages(),
            "schemas": components([EnrichedEvent, ReviewEvent, EventHeaders, DeadLetterHeaders], below=SCHEMAS),
        },
    }


def _inputs(names: tuple[str, ...]) -> dict[str, Any]:
    ids = ["input"] if len(names) == 1 else [f"input{number}" for number in range(1, len(names) + 1)]
    described = "The texts to classify."
    return {id_: _channel(name, "text", described) for id_, name in zip(ids, names, strict=True)}


def _channel(topic: str, message: str, description: str) -> dict[str, Any]:
    return {"address": topic, "description": description, "messages": {message: {"$ref": f"{MESSAGES}{message}"}}}


def _verb(channel: str) -> str:
    return "consume" if channel.startswith("input") else "publish"


def _operation(name: str, channel: dict[str, Any]) -> dict[str, Any]:
    return {
        "action": "receive" if _verb(name) == "consume" else "send",
        "channel": {"$ref": f"#/channels/{name}"},
        "messages": [{"$ref": f"#/channels/{name}/messages/{message}"} for message in channel["messages"]],
    }


def _messages() -> dict[str, Any]:
    return {
        "text": {
            "summary": "A record with a text: JSON, plain text or a CloudEvent, as `input.format` says.",
            "payload": {"description": "Any JSON value with a string where the pointer `input.text` points."},
        },
        "enriched": _event(EnrichedEvent, ENRICHED_TYPE, "A text with its labels and scores."),
        "review": _event(ReviewEvent, REVIEW_TYPE, "A text with its scores and the reasons to look at it."),
        "deadLetter": {
            "summary": "The record as it came, with headers that say what was wrong with it.",
            "contentType": ANY_BYTES,
            "headers": {"$ref": f"{SCHEMAS}{DeadLetterHeaders.__name__}"},
            "payload": {"description": "The original value, byte for byte; null stays null."},
        },
    }


def _event(model: type[EnrichedEvent | ReviewEvent], ce_type: str, summary: str) -> dict[str, Any]:
    kind = {"type": "object", "properties": {"ce_type": {"const": ce_type}}}
    return {
        "name": ce_type,
        "summary": summary,
        "contentType": "application/json",
        "headers": {"type": "object", "allOf": [{"$ref": f"{SCHEMAS}{EventHeaders.__name__}"}, kind]},
        "payload": {"$ref": f"{SCHEMAS}{model.__name__}"},
    }
