"""The AsyncAPI document: its topics, its messages, and that nothing in it points nowhere."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from jsonschema import Draft7Validator

from schemas import examples
from schemas.asyncapi import Topics, asyncapi
from schemas.enriched import EnrichedEvent
from schemas.review import ReviewEvent

TOPICS = Topics(input=("reviews", "chats"), output="out", review="look", dead_letter="dead")
DOCUMENT = asyncapi(TOPICS, version="1.2.3")


def references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        yield from (value for name, value in node.items() if name == "$ref")
        node = list(node.values())
    for child in node if isinstance(node, list) else []:
        yield from references(child)


def resolved(reference: str) -> Any:
    node: Any = DOCUMENT
    for step in reference.removeprefix("#/").split("/"):
        node = node[step]
    return node


def test_channels_have_the_topics_names() -> None:
    """Every topic is a channel with its configured name as address."""
    addresses = {name: channel["address"] for name, channel in DOCUMENT["channels"].items()}

    assert {
        "input1": "reviews",
        "input2": "chats",
        "output": "out",
        "review": "look",
        "deadLetter": "dead",
    } == addresses


def test_worker_receives_input_and_sends_the_rest() -> None:
    """The operations say what the worker does with each topic."""
    actions = {each["channel"]["$ref"]: each["action"] for each in DOCUMENT["operations"].values()}

    assert {
        "#/channels/input1": "receive",
        "#/channels/input2": "receive",
        "#/channels/output": "send",
        "#/channels/review": "send",
        "#/channels/deadLetter": "send",
    } == actions


def test_references_lead_somewhere() -> None:
    """Each reference in the document resolves in the document."""
    found = [resolved(reference) for reference in references(DOCUMENT)]

    assert all(isinstance(node, dict) for node in found)


@pytest.mark.parametrize("example", [examples.ENRICHED, examples.REVIEW])
def test_payload_schema_takes_the_example(example: EnrichedEvent | ReviewEvent) -> None:
    """The message of an event has the schema of that event, with its references inside the document."""
    validator = Draft7Validator({**DOCUMENT, "$ref": f"#/components/schemas/{type(example).__name__}"})

    validator.validate(json.loads(example.model_dump_json()))
    assert not validator.is_valid({})


@pytest.mark.parametrize(("message", "valid"), [("enriched", True), ("review", False)])
def test_headers_schema_names_the_type(message: str, valid: bool) -> None:
    """The headers of a message are CloudEvents headers with that message's type."""
    validator = Draft7Validator(DOCUMENT | DOCUMENT["components"]["messages"][message]["headers"])

    assert valid is validator.is_valid(json.loads(examples.EVENT_HEADERS.model_dump_json()))
