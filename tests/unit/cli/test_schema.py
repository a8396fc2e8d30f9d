"""`emostream schema` prints documents that other programs can read."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from schemas.asyncapi import Topics, asyncapi
from schemas.json_schema import json_schemas
from worker import __version__
from worker.cli import app


@pytest.mark.parametrize(("format", "read"), [("json", json.loads), ("yaml", yaml.safe_load)])
def test_prints_json_schemas(format: str, read: object) -> None:
    """All JSON Schemas come as one document, keyed by name."""
    printed = CliRunner().invoke(app, ["schema", "--format", format])

    assert (0, json_schemas()) == (printed.exit_code, read(printed.stdout))  # type: ignore[operator]


def test_prints_asyncapi_of_the_defaults() -> None:
    """Without a configuration, the AsyncAPI document has the default topics."""
    printed = CliRunner().invoke(app, ["schema", "--asyncapi"])

    assert (0, asyncapi(Topics(), version=__version__)) == (printed.exit_code, json.loads(printed.stdout))


def test_prints_asyncapi_of_a_configuration(tmp_path: Path) -> None:
    """With a configuration, the AsyncAPI document has its topics."""
    config = tmp_path / "worker.yaml"
    config.write_text("kafka: {input_topics: [a, b], output_topic: c, review_topic: d, dead_letter_topic: e}\n")

    printed = CliRunner().invoke(app, ["schema", "--asyncapi", "--config", str(config)])

    topics = Topics(input=("a", "b"), output="c", review="d", dead_letter="e")
    assert asyncapi(topics, version=__version__) == json.loads(printed.stdout)
