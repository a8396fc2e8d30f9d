"""`emostream schema`: what crosses the topics, for programs and people who read them."""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from worker import __version__

if TYPE_CHECKING:
    from schemas.asyncapi import Topics


class DocumentFormat(StrEnum):
    """How the document is written."""

    JSON = "json"
    YAML = "yaml"


def schema(
    as_asyncapi: Annotated[
        bool, typer.Option("--asyncapi", help="An AsyncAPI 3 document of the topics instead of JSON Schemas.")
    ] = False,
    config: Annotated[
        Path | None, typer.Option(help="Take the topics' names in the AsyncAPI document from this file.")
    ] = None,
    format: Annotated[DocumentFormat, typer.Option(help="How to write it.")] = DocumentFormat.JSON,
) -> None:
    """JSON Schemas of events, headers, `classify` lines and policy files, by name; or the topics as AsyncAPI.

    Example: emostream schema --asyncapi --format yaml > asyncapi.yaml
    """
    from schemas.asyncapi import asyncapi
    from schemas.json_schema import json_schemas

    document: dict[str, Any] = json_schemas()
    if as_asyncapi:
        document = asyncapi(_topics(config), version=__version__)
    typer.echo(_written(document, format))


def _topics(config: Path | None) -> Topics:
    from schemas.asyncapi import Topics
    from worker.config import load

    kafka = load(config).kafka
    return Topics(
        input=tuple(kafka.input_topics),
        output=kafka.output_topic,
        review=kafka.review_topic,
        dead_letter=kafka.dead_letter_topic,
    )


def _written(document: dict[str, Any], format: DocumentFormat) -> str:
    if format is DocumentFormat.YAML:
        import yaml

        return str(yaml.safe_dump(document, sort_keys=False, allow_unicode=True)).rstrip()
    return json.dumps(document, indent=2, ensure_ascii=False)
