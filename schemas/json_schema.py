"""JSON Schema of everything in this package, made from the pydantic models (draft 2020-12)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from pydantic import BaseModel, TypeAdapter
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue, models_json_schema
from pydantic_core import core_schema

from schemas.classified import CLASSIFIED_LINE, CLASSIFIED_SCHEMA
from schemas.dead_letter import DeadLetterHeaders
from schemas.enriched import ENRICHED_SCHEMA, EnrichedEvent
from schemas.event_headers import EventHeaders
from schemas.policy import POLICY_SCHEMA, Policy
from schemas.review import REVIEW_SCHEMA, ReviewEvent

DIALECT: Final = GenerateJsonSchema.schema_dialect
EVENT_HEADERS_SCHEMA: Final = "emostream.event-headers/1"
DEAD_LETTER_HEADERS_SCHEMA: Final = "emostream.dead-letter-headers/1"

_MODELS: Final[dict[str, TypeAdapter[Any]]] = {
    ENRICHED_SCHEMA: TypeAdapter(EnrichedEvent),
    REVIEW_SCHEMA: TypeAdapter(ReviewEvent),
    EVENT_HEADERS_SCHEMA: TypeAdapter(EventHeaders),
    DEAD_LETTER_HEADERS_SCHEMA: TypeAdapter(DeadLetterHeaders),
    CLASSIFIED_SCHEMA: CLASSIFIED_LINE,
    POLICY_SCHEMA: TypeAdapter(Policy),
}


class _Terse(GenerateJsonSchema):
    """Without the titles that only repeat a field's name, and without defaults that only say that it may be absent."""

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002 - pydantic's signature
        return False

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        described = super().default_schema(schema)
        return {name: value for name, value in described.items() if (name, value) != ("default", None)}


def json_schemas() -> dict[str, dict[str, Any]]:
    """Every schema by its name: for events, lines and policies the value of their `schema` field."""
    return {name: {"$schema": DIALECT, **model.json_schema(schema_generator=_Terse)} for name, model in _MODELS.items()}


def components(models: Iterable[type[BaseModel]], *, below: str) -> dict[str, Any]:
    """The schemas of `models` and of all they refer to, by class name, for a document that keeps them at `below`."""
    _, definitions = models_json_schema(
        [(model, "validation") for model in models], ref_template=below + "{model}", schema_generator=_Terse
    )
    schemas: dict[str, Any] = definitions["$defs"]
    return schemas
