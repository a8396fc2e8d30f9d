from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.unit.cli.conftest import Invoke


def test_a_good_file_is_ok(emostream: Invoke, tmp_path: Path) -> None:
    """One line on stdout."""
    file = tmp_path / "good.yaml"
    file.write_text("kafka: {group_id: mine}", encoding="utf-8")

    ran = emostream("config", "check", str(file))

    assert (ran.code, ran.out, ran.err) == (0, f"{file}: ok\n", "")


def test_a_bad_file_is_exit_2_with_a_line_for_each_problem(emostream: Invoke, tmp_path: Path) -> None:
    """On stderr, and nothing on stdout."""
    file = tmp_path / "bad.yaml"
    file.write_text("kafka: {topic: x}\nbatch: {max_tokens: 0}", encoding="utf-8")

    ran = emostream("config", "check", str(file))

    assert (ran.code, ran.out) == (2, "")
    assert ran.err == (
        "emostream: kafka.topic: unknown key; did you mean kafka.input_topics?\n"
        "emostream: batch.max_tokens: got the number 0, expected a whole number from 1 to 100000000\n"
    )


def test_show_gives_values_with_their_origin(emostream: Invoke, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also without a file; secrets stay hidden."""
    monkeypatch.setenv("EMOSTREAM_KAFKA__SECURITY__PROTOCOL", "SASL_SSL")
    monkeypatch.setenv("EMOSTREAM_KAFKA__SECURITY__SASL_MECHANISM", "PLAIN")
    monkeypatch.setenv("EMOSTREAM_KAFKA__SECURITY__USERNAME", "me")
    monkeypatch.setenv("EMOSTREAM_KAFKA__SECURITY__PASSWORD", "hunter2")

    ran = emostream("config", "show")

    assert ran.code == 0
    assert "username: me # environment" in ran.words
    assert "group_id: emostream # default" in ran.words
    assert "hunter2" not in ran.out + ran.err


def test_schema_is_a_json_schema(emostream: Invoke) -> None:
    """Without what only the environment may set."""
    ran = emostream("config", "schema")

    schema = json.loads(ran.out)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert "password" not in schema["$defs"]["SecuritySettings"]["properties"]
