from __future__ import annotations

from pathlib import Path

import jsonschema
import pytest
import yaml

from tests.unit.config.conftest import WriteFile
from tests.unit.config.test_loading import CONTRACT
from worker.config import load, load_with_sources
from worker.config.keys import catalogue
from worker.config.reference import effective, json_schema, page

DOCS = Path(__file__).parents[3] / "docs"


def test_the_page_of_all_keys_is_up_to_date() -> None:
    """After a change of the settings: python -m worker.config > docs/configuration.md."""
    written = (DOCS / "configuration.md").read_text(encoding="utf-8")

    assert page() == written


@pytest.mark.parametrize("path", catalogue())
def test_every_key_says_how_to_choose_it(path: str) -> None:
    """Durations and sizes carry their unit in the name, and every key a sentence and a range."""
    key = catalogue()[path]

    assert key.about.endswith(".")
    assert key.expected
    assert path.endswith("_s") == (key.unit == "seconds")
    assert path.endswith("_bytes") == (key.unit == "bytes")


def test_what_is_shown_can_be_used_as_a_file(config_file: WriteFile) -> None:
    """`config show` prints YAML that loads to the same settings."""
    settings = load_with_sources(config_file("kafka: {group_id: 'on', input_topics: [a, b]}\nserver: {port: null}\n"))

    shown = effective(settings)

    assert load(config_file(shown)) == settings.settings


def test_each_value_is_shown_with_its_origin(config_file: WriteFile, monkeypatch: pytest.MonkeyPatch) -> None:
    """File, environment and default."""
    monkeypatch.setenv("EMOSTREAM_BATCH__MAX_TOKENS", "100")

    lines = [" ".join(line.split()) for line in effective(load_with_sources(config_file(CONTRACT))).splitlines()]

    assert "max_tokens: 100 # environment" in lines
    assert "max_messages: 512 # file" in lines
    assert "stall_timeout_s: 120 # default" in lines


def test_a_secret_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only that it is set, and where."""
    for name, value in {"PROTOCOL": "SASL_SSL", "SASL_MECHANISM": "PLAIN", "USERNAME": "me"}.items():
        monkeypatch.setenv(f"EMOSTREAM_KAFKA__SECURITY__{name}", value)
    monkeypatch.setenv("EMOSTREAM_KAFKA__SECURITY__PASSWORD", "hunter2")

    shown = effective(load_with_sources())

    assert "hunter2" not in shown
    assert "# password: set, not shown" in shown


def test_the_schema_accepts_the_documented_file() -> None:
    """Other programs validate the file with it."""
    jsonschema.validate(yaml.safe_load(CONTRACT), json_schema(), cls=jsonschema.Draft202012Validator)


@pytest.mark.parametrize("text", ["kafka: {topic: x}", "batch: {max_messages: 0}", "kafka: {security: {password: x}}"])
def test_the_schema_refuses_what_the_worker_refuses(text: str) -> None:
    """Typos, values out of range, and the password, which has no place in the file."""
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(yaml.safe_load(text), json_schema(), cls=jsonschema.Draft202012Validator)
