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


app = typer.Typer(
    help="What crosses the topics. Example: emostream schema --asyncapi",
    invoke_without_command=True,
    add_completion=False,
)


@app.callback()
def schema(
    context: typer.Context,
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
    if context.invoked_subcommand is not None:
        return
    from schemas.asyncapi import asyncapi
    from schemas.json_schema import json_schemas

    document: dict[str, Any] = json_schemas()
    if as_asyncapi:
        document = asyncapi(_topics(config), version=__version__)
    typer.echo(_written(document, format))


@app.command()
def register(
    url: Annotated[str | None, typer.Option(help="The registry's API; instead of schema_registry.url.")] = None,
    config: Annotated[
        Path | None, typer.Option(help="The worker's configuration: topics, and the way to the registry.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what is there and what is not.")] = False,
) -> None:
    """Put the schemas of output and review events into a Confluent-compatible schema registry.

    Doing it again changes nothing. Example: emostream schema register --config worker.yaml --url https://registry:8081
    """
    from worker.config import load
    from worker.errors import ConfigError
    from worker.registry.subjects import SCHEMAS, schema_of, subject_of
    from worker.wiring import registry_of, topics_of

    settings = load(config)
    address = url or settings.schema_registry.url
    if address is None:
        raise ConfigError("schema register: no registry: give --url, or schema_registry.url in the configuration")
    registry = registry_of(settings.schema_registry, address)
    topics = topics_of(settings.kafka)
    for destination, name in SCHEMAS.items():
        subject, schema = subject_of(topics[destination]), schema_of(destination)
        there = registry.find(subject, schema)
        if dry_run:
            typer.echo(f"{subject}  {name}  {'not there' if there is None else f'there, id {there}'}")
        else:
            typer.echo(f"{subject}  {name}  id {registry.register(subject, schema) if there is None else there}")


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
