"""`emostream schema register`: the topics' schemas into a registry, once."""

from __future__ import annotations

import json
from pathlib import Path

from schemas.json_schema import json_schemas
from tests.schema_registry import registry
from tests.unit.cli.conftest import Invoke


def test_registers_what_the_topics_get(emostream: Invoke, tmp_path: Path) -> None:
    """Under the configured topics' names; the second time nothing changes; a dry run before says what is missing."""
    config = tmp_path / "worker.yaml"
    config.write_text("kafka: {output_topic: out, review_topic: look}\n")
    with registry() as listening:
        command = ("schema", "register", "--config", str(config), "--url", listening.url)

        ran = [emostream(*command, "--dry-run"), emostream(*command), emostream(*command)]

    assert [0, 0, 0] == [each.code for each in ran]
    assert ["out-value  emostream.enriched/1  not there", "look-value  emostream.review/1  not there"] == (
        ran[0].out.splitlines()
    )
    assert ["out-value  emostream.enriched/1  id 1", "look-value  emostream.review/1  id 2"] == ran[1].out.splitlines()
    assert ran[1].out == ran[2].out
    assert json_schemas()["emostream.enriched/1"] == json.loads(listening.subjects["out-value"][0])


def test_without_a_registry_it_is_refused(emostream: Invoke) -> None:
    """One line that says where to name it."""
    ran = emostream("schema", "register")

    assert (2, 1) == (ran.code, len(ran.err.splitlines()))
    assert "--url" in ran.err


def test_explains_itself_with_an_example(emostream: Invoke) -> None:
    """As every command does."""
    ran = emostream("schema", "register", "--help")

    assert 0 == ran.code
    assert "Example: emostream schema register" in ran.words
