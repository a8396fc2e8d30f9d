from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from worker.cli.evaluate import evaluate
from worker.errors import ConfigError, DataError
from worker.learning.datasets import Fields
from worker.learning.evaluate import judge_predictions
from worker.learning.metrics import accuracy, measure


def line(scores: dict[str, float], truth: Any, *, labels: list[str], outcome: str = "accepted", **payload: Any) -> str:
    multi = isinstance(truth, list)
    event = {
        "outcome": outcome,
        "labels": labels,
        "scores": scores,
        "model": {"name": "m", "revision": "sha256:0", "task": "multi_label" if multi else "single_label"},
        "payload": {"text": "nobody may read this", ("labels" if multi else "label"): truth, **payload},
    }
    return json.dumps(event) + "\n"


@pytest.fixture
def single(tmp_path: Path) -> Path:
    path = tmp_path / "predictions.jsonl"
    path.write_text(
        line({"a": 0.9, "b": 0.1}, "a", labels=["a"])
        + line({"a": 0.4, "b": 0.6}, "a", labels=["b"], outcome="abstained")
        + line({"a": 0.2, "b": 0.8}, "b", labels=["b"])
        + line({"a": 0.7, "b": 0.3}, "b", labels=["a"])
    )
    return path


def test_predictions_are_judged_as_they_were_decided(single: Path) -> None:
    """Truth from the payload, answers and outcomes from the event."""
    found = judge_predictions(single)

    values = measure(found)
    assert (values["accuracy"], values["coverage"]) == (0.5, 0.75)
    assert values["selective_risk"] == pytest.approx(1 / 3)
    assert values["confusion_matrix"] == [[1, 1], [1, 1]]


def test_multi_label_predictions(tmp_path: Path) -> None:
    """Lists of labels on both sides; an empty one is an answer too."""
    path = tmp_path / "predictions.jsonl"
    path.write_text(
        line({"a": 0.9, "b": 0.8}, ["a", "b"], labels=["a", "b"])
        + line({"a": 0.1, "b": 0.1}, [], labels=[], outcome="abstained")
    )

    found = judge_predictions(path)

    assert found.multi_label
    assert accuracy(found) == 1.0


def test_the_label_may_stand_in_another_field(tmp_path: Path) -> None:
    """`--label-field` names it."""
    path = tmp_path / "predictions.jsonl"
    path.write_text(line({"a": 0.9, "b": 0.1}, "b", labels=["a"], gold="a"))

    assert accuracy(judge_predictions(path, Fields(label="gold"))) == 1.0


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("", "no predictions"),
        ('{"text": "nobody may read this"}\n', "line 1: not a line that `emostream classify` wrote"),
        (line({"a": 0.9, "b": 0.1}, "c", labels=["a"]), "line 1: label 'c' is none of the model's (a, b)"),
        (line({"a": 0.9}, "a", labels=["a"]).replace('"label"', '"other"'), "line 1, payload: no field 'label'"),
    ],
)
def test_mistakes_are_one_line_without_the_text(tmp_path: Path, content: str, expected: str) -> None:
    """The message says where and what, never the text."""
    path = tmp_path / "predictions.jsonl"
    path.write_text(content)

    with pytest.raises(DataError) as caught:
        judge_predictions(path)

    assert expected in str(caught.value)
    assert "nobody" not in str(caught.value)


@pytest.fixture
def command() -> typer.Typer:
    app = typer.Typer()
    app.command()(evaluate)
    return app


def test_the_command_writes_json_and_a_report(single: Path, tmp_path: Path, command: typer.Typer) -> None:
    """`--json` has the contract's keys; the report needs nothing but itself."""
    pytest.importorskip("matplotlib")
    pytest.importorskip("jinja2")
    json_file, report = tmp_path / "found.json", tmp_path / "report.html"

    result = CliRunner().invoke(
        command, ["--predictions", str(single), "--json", str(json_file), "--report", str(report)]
    )

    assert result.exit_code == 0, result.output
    assert json.loads(json_file.read_text())["accuracy"] == 0.5
    page = report.read_text()
    assert "<svg" in page
    assert "Confusion matrix" in page
    assert re.findall(r"src=|<script|@import|href=.(?!#)", page) == []
    assert "nobody may read this" not in page


def test_json_to_standard_output_is_json_alone(single: Path, command: typer.Typer) -> None:
    """So that it can be piped."""
    result = CliRunner().invoke(command, ["--predictions", str(single), "--json", "-"])

    assert json.loads(result.stdout)["coverage"] == 0.75


@pytest.mark.parametrize("arguments", [[], ["--model", "m"], ["--data", "d"], ["--predictions", "p", "--model", "m"]])
def test_model_and_data_or_predictions(arguments: list[str], command: typer.Typer) -> None:
    """Anything else is bad usage."""
    result = CliRunner().invoke(command, arguments)

    assert isinstance(result.exception, ConfigError)
