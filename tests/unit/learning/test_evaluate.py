from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from schemas.policy import Policy, TextRules, policy_id
from tests.unit.decision.cases import argmax, policy
from worker.cli.evaluate import evaluate
from worker.errors import ConfigError, DataError, PolicyError
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


def decided_lines(tmp_path: Path, decided_by: Policy, **changes: Any) -> Path:
    """Lines that were decided by the policy, at 0.6 and 0.4 for joy, and one dead text."""
    rows = [
        {
            "outcome": "accepted",
            "labels": ["joy"],
            "scores": {"joy": top, "anger": 1 - top, "fear": 0.0},
            "model": {"name": "builtin:emotion", "revision": "sha256:a", "task": "single_label"},
            "policy": {"id": policy_id(decided_by), "calibrated": True},
            "payload": {"text": "nobody may read this", "label": "joy"},
            **changes,
        }
        for top in (0.6, 0.4)
    ]
    path = tmp_path / "decided.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in [*rows, {"outcome": "dead", "error": {}}]))
    return path


def test_lines_that_the_policy_itself_decided_are_taken_as_they_are(tmp_path: Path) -> None:
    """Their scores are calibrated already; dead texts are left out."""
    own = policy(argmax(0.5), temperature=2.0)

    found = judge_predictions(decided_lines(tmp_path, own), policy=own)

    assert [True, True] == found.accepted.tolist()
    assert [0.6, 0.4] == pytest.approx(found.scores[:, 0].tolist())


def test_lines_are_ranked_by_the_confidence_that_decided(tmp_path: Path) -> None:
    """It need not be the highest score; lines without it are ranked by that."""
    own = policy(argmax(0.5))

    found = judge_predictions(decided_lines(tmp_path, own, confidence=0.25), policy=own)
    without = judge_predictions(decided_lines(tmp_path, own), policy=own)

    assert [0.25, 0.25] == found.ranking.tolist()
    assert [0.6, 0.6] == pytest.approx(without.ranking.tolist())


def test_what_could_not_be_classified_is_counted(tmp_path: Path, command: typer.Typer) -> None:
    """Among the measures, and above the table."""
    path = decided_lines(tmp_path, policy(), policy=None)

    as_json = CliRunner().invoke(command, ["--predictions", str(path), "--json", "-"])
    as_table = CliRunner().invoke(command, ["--predictions", str(path)])

    assert (2, 1) == (json.loads(as_json.stdout)["texts"], json.loads(as_json.stdout)["dead"])
    assert "2 texts, 1 more could not be classified" in as_table.stdout


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--min-confidence", "0.5"),
        ("--precision", "float32"),
        ("--backend", "openvino"),
        ("--device", "cpu"),
        ("--revision", "main"),
    ],
)
def test_what_is_said_of_a_model_at_work_needs_one(single: Path, command: typer.Typer, option: str, value: str) -> None:
    """Rather than being ignored beside predictions."""
    result = CliRunner().invoke(command, ["--predictions", str(single), option, value])

    assert isinstance(result.exception, ConfigError)
    assert str(result.exception).startswith(f"{option}: only with --model and --data")


def test_lines_that_another_policy_calibrated_cannot_be_decided_again(tmp_path: Path) -> None:
    """It is said how to get lines that can."""
    with pytest.raises(PolicyError, match="--no-policy"):
        judge_predictions(decided_lines(tmp_path, policy(argmax(0.5))), policy=policy(argmax(0.7)))


def test_lines_decided_again_by_groups(tmp_path: Path) -> None:
    """Truth, scores and answers are those of the groups; as are lines that had them decided."""
    grouped = policy(argmax(0.7), groups={"good": ("joy",), "bad": ("anger", "fear")})

    again = judge_predictions(decided_lines(tmp_path, policy(), policy=None), policy=grouped)
    before = judge_predictions(decided_lines(tmp_path, grouped, labels=["good"]), policy=grouped)

    assert ("good", "bad") == again.label_names == before.label_names
    assert [False, False] == again.accepted.tolist()
    assert [1.0, 1.0] == pytest.approx(again.scores.sum(axis=1).tolist())
    assert [[True, False]] * 2 == before.answers.tolist()


def test_an_answer_of_doubt_is_an_abstention_with_a_name(tmp_path: Path) -> None:
    """It is neither right nor wrong, unless it is a label of the model."""
    doubt = policy(argmax(0.3, doubt_label={"label": "unsure", "margin": 0.25}))
    path = decided_lines(tmp_path, policy(), policy=None)

    again = judge_predictions(path, policy=doubt)
    recorded = judge_predictions(decided_lines(tmp_path, doubt, labels=["unsure"]), policy=doubt)

    assert [False, False] == again.accepted.tolist()
    assert [False, False] == recorded.accepted.tolist()
    with pytest.raises(DataError, match="give the --policy that decided"):
        judge_predictions(decided_lines(tmp_path, doubt, labels=["unsure"]))


def test_texts_are_judged_by_what_the_lines_say_of_their_tokens(tmp_path: Path) -> None:
    """Without it, or by another table, a policy that judges texts is refused."""
    rules = TextRules(max_surprise=2.0, min_content_tokens=2, surprise_table="sha256:t")
    strict = policy(argmax(0.0), text=rules)
    domain = {"surprise": 3.0, "content_tokens": 5, "table": "sha256:t"}

    foreign = judge_predictions(decided_lines(tmp_path, policy(), policy=None, domain=domain), policy=strict)

    assert [False, False] == foreign.accepted.tolist()
    with pytest.raises(PolicyError, match="nothing is known of them here"):
        judge_predictions(decided_lines(tmp_path, policy(), policy=None), policy=strict)
    with pytest.raises(PolicyError, match="was calibrated with another"):
        judge_predictions(
            decided_lines(tmp_path, policy(), policy=None, domain={**domain, "table": "sha256:u"}), policy=strict
        )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"scores": {"joy": 1.0}}, "line 2: scores of other labels"),
        ({"model": {"name": "other", "revision": "r", "task": "single_label"}}, "line 2: another model"),
        ({"scores": {"joy": "high", "anger": 0.0, "fear": 0.0}}, "line 2: a score is no number"),
    ],
)
def test_lines_of_two_runs_are_refused(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    """One model, one set of labels."""
    path = decided_lines(tmp_path, policy())
    first, second, _ = path.read_text().splitlines()
    path.write_text(first + "\n" + json.dumps({**json.loads(second), **changes}) + "\n")

    with pytest.raises(DataError, match=message):
        judge_predictions(path)


def test_the_core_install_can_evaluate() -> None:
    """Neither scipy nor the packages of reports are needed for it."""
    code = "import sys, worker.learning.evaluate, worker.learning.metrics; print([*map(sys.modules.get, sys.argv[1:])])"
    command = [sys.executable, "-c", code, "scipy", "sklearn", "matplotlib", "jinja2", "torch"]

    loaded = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)

    assert "[None, None, None, None, None]" == loaded.stdout.strip()
