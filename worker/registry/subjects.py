"""Which schema stands under which subject: one for the values of each topic that gets events (`<topic>-value`)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from schemas.enriched import ENRICHED_SCHEMA
from schemas.json_schema import json_schemas
from schemas.review import REVIEW_SCHEMA
from worker.errors import RegistryError
from worker.records import Destination
from worker.registry.client import SchemaRegistry
from worker.registry.wire import frame

SCHEMAS = {Destination.OUTPUT: ENRICHED_SCHEMA, Destination.REVIEW: REVIEW_SCHEMA}


def subject_of(topic: str) -> str:
    """Confluent's TopicNameStrategy."""
    return f"{topic}-value"


def schema_of(destination: Destination) -> Mapping[str, Any]:
    """The JSON Schema of the events in the topic. Raises KeyError for dead letters: they are as they came."""
    return json_schemas()[SCHEMAS[destination]]


def frames(registry: SchemaRegistry, topics: Mapping[Destination, str]) -> dict[Destination, bytes]:
    """What stands before the events of each topic. Raises RegistryError, also when a schema is not registered."""
    found: dict[Destination, bytes] = {}
    for destination in SCHEMAS:
        subject = subject_of(topics[destination])
        schema_id = registry.find(subject, schema_of(destination))
        if schema_id is None:
            raise RegistryError(
                f"{subject}: this version's schema is not in the registry: run emostream schema register"
            )
        found[destination] = frame(schema_id)
    return found
