"""`emostream calibrate` with a real model: its policy is taken at once by `classify` and `evaluate`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

from schemas.policy import load_policy
from worker.cli import app
from worker.demo.messages import texts

MODEL = "builtin:emotion-tiny"
TEXTS = 400


def emostream(*arguments: str) -> Result:
    result = CliRunner().invoke(app, list(arguments), prog_name="emostream")
    assert 0 == result.exit_code, result.output
    return result


def jsonl(path: Path) -> list[Any]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.fixture(scope="module")
def labelled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Real comments with the labels that the model gives them; one in twelve is another."""
    folder = tmp_path_factory.mktemp("labelled")
    plain, said, data = folder / "texts.jsonl", folder / "said.jsonl", folder / "data.jsonl"
    plain.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts()[:TEXTS]), encoding="utf-8")
    emostream("classify", "--model", MODEL, "--input", str(plain), "--output", str(said))
    rows = [
        {
            "text": line["payload"]["text"],
            "label": sorted(line["scores"], key=line["scores"].get)[-1 - (number % 12 == 0)],
        }
        for number, line in enumerate(jsonl(said))
    ]
    data.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return data


def test_a_model_and_its_lines_give_the_same_policy_which_everything_takes(labelled: Path, tmp_path: Path) -> None:
    """Calibrated from the model or from the lines of `classify`; decided alike by `classify` and `evaluate`."""
    said, policy, again = tmp_path / "said.jsonl", tmp_path / "policy.json", tmp_path / "again.json"
    decided, measured = tmp_path / "decided.jsonl", tmp_path / "measured.json"
    target = ("--target-risk", "0.15", "--confidence", "0.9", "--false-alarm-rate", "0")

    emostream("calibrate", "--model", MODEL, "--data", str(labelled), *target, "--out", str(policy))
    emostream("classify", "--model", MODEL, "--input", str(labelled), "--output", str(said))
    emostream("calibrate", "--predictions", str(said), *target, "--out", str(again))
    emostream(
        *("classify", "--model", MODEL, "--policy", str(policy), "--input", str(labelled), "--output", str(decided))
    )
    emostream(
        *("evaluate", "--model", MODEL, "--data", str(labelled), "--policy", str(policy), "--json", str(measured))
    )

    made, other = load_policy(policy), load_policy(again)
    assert made.guarantee is not None
    assert (made.engine, made.model, made.data_fingerprint) == (other.engine, other.model, other.data_fingerprint)
    assert made.guarantee.coverage == pytest.approx(other.guarantee.coverage if other.guarantee else None, abs=0.02)
    accepted = [line["outcome"] == "accepted" for line in jsonl(decided)]
    assert made.guarantee.coverage == pytest.approx(sum(accepted) / TEXTS, abs=0.02)
    assert made.guarantee.coverage == pytest.approx(json.loads(measured.read_text())["coverage"], abs=0.02)
