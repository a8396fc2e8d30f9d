"""The JSON Schemas: valid, described throughout, and in agreement with the pydantic models."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from pydantic import BaseModel, ValidationError

from schemas import examples
from schemas.classified import CLASSIFIED_LINE
from schemas.enriched import EnrichedEvent
from schemas.json_schema import DIALECT, json_schemas
from schemas.review import ReviewEvent

SCHEMAS = json_schemas()
EXAMPLES: list[tuple[str, BaseModel]] = [
    ("emostream.enriched/1", examples.ENRICHED),
    ("emostream.review/1", examples.REVIEW),
    ("emostream.event-headers/1", examples.EVENT_HEADERS),
    ("emostream.classified/1", examples.CLASSIFIED),
    ("emostream.classified/1", examples.UNCLASSIFIED),
    ("emostream.policy/1", examples.POLICY),
    ("emostream.policy/1", examples.PER_LABEL_POLICY),
]
VALIDATORS = {
    name: Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER)
    for name, schema in SCHEMAS.items()
}


def undescribed(schema: Any, path: str = "") -> Iterator[str]:
    """The properties without a description, of their own or of what they refer to."""
    for name, field in schema.get("properties", {}).items():
        if not field.keys() & {"description", "$ref"}:
            yield f"{path}.{name}"
    for name, definition in schema.get("$defs", {}).items():
        if "description" not in definition:
            yield f"{path}#{name}"
        yield from undescribed(definition, f"{path}#{name}")


@pytest.mark.parametrize("name", SCHEMAS)
def test_schema_is_valid_and_described(name: str) -> None:
    """Every schema is JSON Schema of the dialect it names, and says what each field means."""
    Draft202012Validator.check_schema(SCHEMAS[name])

    assert DIALECT == SCHEMAS[name]["$schema"]
    assert [] == list(undescribed(SCHEMAS[name]))


@pytest.mark.parametrize(("name", "example"), EXAMPLES)
def test_example_is_valid(name: str, example: BaseModel) -> None:
    """The examples of the documentation are valid under the JSON Schema of their name."""
    VALIDATORS[name].validate(json.loads(example.model_dump_json(by_alias=True)))


def test_dead_letter_headers_are_valid() -> None:
    """Header values, read as text, are valid under the JSON Schema of dead-letter headers."""
    headers = {name: (value or b"").decode() for name, value in examples.DEAD_LETTER_HEADERS.render()}

    VALIDATORS["emostream.dead-letter-headers/1"].validate(headers)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("outcome", "dead"),
        ("confidence", 1.5),
        ("confidence", "high"),
        ("labels", "joy"),
        ("scores", {"joy": 2}),
        ("policy", {}),
        ("tokens", -1),
        ("schema", "emostream.enriched/2"),
        ("source", {"file": "x", "line": 1}),
    ],
)
@pytest.mark.parametrize(("model", "example"), [(EnrichedEvent, examples.ENRICHED), (ReviewEvent, examples.REVIEW)])
def test_bad_event_is_refused_by_both(
    field: str, value: object, model: type[BaseModel], example: EnrichedEvent | ReviewEvent
) -> None:
    """What the pydantic model refuses, the JSON Schema refuses too."""
    event = json.loads(example.model_dump_json()) | {field: value}

    with pytest.raises(ValidationError):
        model.model_validate(event)
    assert not VALIDATORS[example.schema_].is_valid(event)


@pytest.mark.parametrize("reasons", [[], ["no such reason"]])
def test_review_event_has_known_reasons(reasons: list[str]) -> None:
    """A review event without a reason, or with one of another list, is refused."""
    event = json.loads(examples.REVIEW.model_dump_json()) | {"reasons": reasons}

    assert not VALIDATORS["emostream.review/1"].is_valid(event)


def test_event_of_a_later_release_is_read() -> None:
    """A field that a later release adds does not keep a consumer from reading the event."""
    event = json.loads(examples.ENRICHED.model_dump_json()) | {"added_later": 1}

    assert examples.ENRICHED == EnrichedEvent.model_validate(event)
    assert VALIDATORS["emostream.enriched/1"].is_valid(event)


@pytest.mark.parametrize("line", [examples.CLASSIFIED, examples.UNCLASSIFIED])
def test_classified_line_is_told_by_its_outcome(line: BaseModel) -> None:
    """A line with a decision and one without are told apart when they are read."""
    assert line == CLASSIFIED_LINE.validate_json(line.model_dump_json())
