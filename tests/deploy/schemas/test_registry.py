"""Schemas in a real registry, and a worker between Confluent's own serializers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from schemas.json_schema import json_schemas
from tests.conftest import Topics
from tests.deploy.schemas.tools import Apicurio, apicurio, confluent
from tests.e2e.processes import Way, worker
from tests.kafka_io import ToSend, produce
from worker.cli import app
from worker.registry.client import SchemaRegistry

pytestmark = [pytest.mark.broker, pytest.mark.timeout(300)]

TEXT = {
    "$schema": "http://json-schema.org/draft-07/schema#",
    "title": "Comment",
    "type": "object",
    "properties": {"text": {"type": "string"}},
}


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Apicurio]:
    with apicurio(tmp_path_factory.mktemp("apicurio")) as started:
        yield started


@pytest.fixture
def way(topics: Topics, group_id: str) -> Way:
    return Way.made(topics, group_id)


def registered(config: Path, registry: Apicurio) -> list[str]:
    """The lines that the command prints."""
    ran = CliRunner().invoke(app, ["schema", "register", "--config", str(config), "--url", registry.url])
    assert 0 == ran.exit_code, ran.output
    return ran.stdout.splitlines()


def test_schemas_are_registered_once(way: Way, registry: Apicurio, tmp_path: Path) -> None:
    """The registry gives back what was registered, under one version however often."""
    config = way.config(tmp_path)

    first, second = registered(config, registry), registered(config, registry)

    assert first == second
    for topic, name in ((way.output, "emostream.enriched/1"), (way.review, "emostream.review/1")):
        assert [1] == registry.get(f"/subjects/{topic}-value/versions")
        latest = registry.get(f"/subjects/{topic}-value/versions/latest")
        assert ("JSON", json_schemas()[name]) == (latest["schemaType"], json.loads(latest["schema"]))
        assert f"{topic}-value  {name}  id {latest['id']}" in first


def test_an_unknown_schema_is_not_there(way: Way, registry: Apicurio) -> None:
    """The real registry's answer for an unknown subject, and for another schema under a known one."""
    client = SchemaRegistry(registry.url)
    before = client.find(f"{way.output}-value", TEXT)
    client.register(f"{way.output}-value", TEXT)

    assert (None, None) == (before, client.find(f"{way.output}-value", json_schemas()["emostream.enriched/1"]))


def test_confluents_serializers_on_both_sides(way: Way, registry: Apicurio, tmp_path: Path) -> None:
    """Texts with an id go in, events that fit the schema of their id come out; plain values are dead letters."""
    config = way.config(
        tmp_path,
        schema_registry={"url": registry.url, "input": "confluent", "output": "confluent"},
        decision={"publish_abstained": True},
    )
    registered(config, registry)
    values = [{"text": f"i feel fine, number {number}"} for number in range(40)]
    shared = {"url": registry.url, "brokers": way.bootstrap_servers}
    confluent("send", **shared, topic=way.input, schema=TEXT, values=values)
    produce(way.bootstrap_servers, way.input, [ToSend(b'{"text": "without an id"}')])

    with worker(config, "--until-caught-up") as running:
        code = running.wait()

    assert 0 == code, running.log()
    outcomes = way.outcomes()
    events = confluent("read", **shared, topic=way.output, partitions=4, count=len(outcomes.output))
    reviews = confluent("read", **shared, topic=way.review, partitions=2, count=len(outcomes.review))
    assert sorted(value["text"] for value in values) == sorted(event["payload"]["text"] for event in events)
    assert len(outcomes.review) == len(reviews)
    (letter,) = outcomes.dead_letter
    assert (b'{"text": "without an id"}', b"invalid_framing") == (
        letter.value,
        letter.header("emostream-error-reason"),
    )


def test_a_worker_whose_schemas_are_not_registered_says_so(way: Way, registry: Apicurio, tmp_path: Path) -> None:
    """One line, before the first poll."""
    config = way.config(tmp_path, schema_registry={"url": registry.url, "output": "confluent"})

    with worker(config, "--until-caught-up") as running:
        code = running.wait()

    assert 1 == code
    assert f"emostream: {way.output}-value: this version's schema is not in the registry" in running.log()
