"""`emostream calibrate`, `policy show` and `audit estimate` over files; no model is loaded."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from schemas.policy import dump_policy, load_policy
from tests.unit.cli.conftest import Invoke
from tests.unit.decision.cases import policy
from tests.unit.learning.predictions import multi, single, with_tokens, write


@pytest.fixture
def predictions(tmp_path: Path) -> str:
    return str(write(tmp_path / "predictions.jsonl", single(600)))


def test_a_policy_is_written_and_explained(emostream: Invoke, predictions: str, tmp_path: Path) -> None:
    """What was promised, coverage, thresholds and the honesty of the scores stand on stdout; the file can be used."""
    out = tmp_path / "policy.json"

    ran = emostream(
        "calibrate", "--predictions", predictions, "--target-risk", "0.1", "--confidence", "0.9", "--out", str(out)
    )

    assert (0, "") == (ran.code, ran.err)
    for said in ("With probability 0.9", "coverage", "temperature", "classwise ECE", "Brier", "NLL", "joy"):
        assert said in ran.words
    made = load_policy(out)
    assert made.guarantee is not None
    assert 600 == made.guarantee.calibration_size


def test_the_policy_is_taken_by_evaluate_and_policy_show(emostream: Invoke, predictions: str, tmp_path: Path) -> None:
    """The coverage that evaluate finds on the same lines is the promised one."""
    out = tmp_path / "policy.json"
    emostream("calibrate", "--predictions", predictions, "--target-risk", "0.1", "--out", str(out))

    judged = emostream("evaluate", "--predictions", predictions, "--policy", str(out), "--json", "-")
    shown = emostream("policy", "show", str(out))

    promised = load_policy(out).guarantee
    assert promised is not None
    assert json.loads(judged.out)["coverage"] == pytest.approx(promised.coverage)
    assert (0, True) == (shown.code, "at most 10 % are wrong" in shown.words)


def test_a_target_out_of_reach_is_exit_2_with_a_table(emostream: Invoke, predictions: str, tmp_path: Path) -> None:
    """One line says what cannot be, the table what can; no file is written."""
    out = tmp_path / "policy.json"

    ran = emostream("calibrate", "--predictions", predictions, "--target-risk", "0.004", "--out", str(out))

    assert (2, 1, False) == (ran.code, len(ran.err.splitlines()), out.exists())
    assert "cannot be promised" in ran.err
    assert "labelled examples needed for 0.4 %" in ran.words
    assert "coverage" in ran.words


def test_a_refusal_as_json(emostream: Invoke, predictions: str, tmp_path: Path) -> None:
    """Where standard output is for programs, they get the same."""
    ran = emostream(
        *("calibrate", "--predictions", predictions, "--target-risk", "0.004"),
        *("--out", str(tmp_path / "policy.json"), "--json", "-"),
    )

    refusal = json.loads(ran.out)
    assert (2, 0.004) == (ran.code, refusal["promise"]["target_risk"])
    assert "examples" in refusal
    assert refusal["easier"][0][0] > 0.004


def test_json_and_report(emostream: Invoke, predictions: str, tmp_path: Path) -> None:
    """Every figure as JSON; a page with its plots that needs nothing but itself."""
    pytest.importorskip("matplotlib")
    pytest.importorskip("jinja2")
    out, report = tmp_path / "policy.json", tmp_path / "report.html"

    ran = emostream(
        *("calibrate", "--predictions", predictions, "--target-risk", "0.1", "--out", str(out)),
        *("--json", "-", "--report", str(report)),
    )

    values = json.loads(ran.out)
    assert values["areas"]["aurc"]["low"] <= values["areas"]["aurc"]["value"] <= values["areas"]["aurc"]["high"]
    assert {"before", "after"} == set(values["calibration"])
    page = report.read_text()
    assert 4 == page.count("<svg")
    assert "promised: at most 0.1" in page
    for outside in ("src=", "<script", "@import", "text 17"):
        assert outside not in page


def test_a_multi_label_report(emostream: Invoke, tmp_path: Path) -> None:
    """With zones, groups and checks of tokens; evaluate draws one too."""
    pytest.importorskip("matplotlib")
    pytest.importorskip("jinja2")
    found = with_tokens(multi(800), np.linspace(0, 3, 800).tolist(), [5] * 800)
    lines, out, report = write(tmp_path / "p.jsonl", found), tmp_path / "policy.json", tmp_path / "report.html"
    groups = tmp_path / "groups.yaml"
    groups.write_text("good: [joy]\nbad: [anger, fear]\n")

    made = emostream(
        *("calibrate", "--predictions", str(lines), "--target-risk", "0.5", "--off-risk", "0.2", "--out", str(out)),
        *("--groups", str(groups), "--report", str(report), "--audit-rate", "0.05", "--void-guarantee"),
    )
    judged = emostream("evaluate", "--predictions", str(lines), "--policy", str(out), "--report", str(report))

    assert (0, 0) == (made.code, judged.code), made.err + judged.err
    assert ("good", "bad") == load_policy(out).answers
    assert 4 == report.read_text().count("<svg")


def test_the_examples_must_not_be_the_training_texts(emostream: Invoke, tmp_path: Path) -> None:
    """The model's folder says what it was made from: by fingerprint, or by a sketch of its texts."""
    from worker.learning.provenance import sketch

    found = single(300)
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "training.json").write_text(json.dumps({"text_sketch": sketch(found.texts[:150])}))
    model = {"name": str(folder), "revision": "sha256:m", "task": "single_label"}
    lines = write(tmp_path / "p.jsonl", found, model=model)
    asked = ("calibrate", "--predictions", str(lines), "--target-risk", "0.2", "--out", str(tmp_path / "policy.json"))

    some = emostream(*asked)
    (folder / "training.json").write_text(json.dumps({"data_fingerprint": found.fingerprint}))
    same = emostream(*asked)

    assert "warning: the model has learned from about 50% of these texts" in some.err
    assert "these are the texts that the model was trained or tuned on" in same.err
    assert (0, 0) == (some.code, same.code)


def test_lines_without_an_engine_are_taken_as_told(emostream: Invoke, tmp_path: Path) -> None:
    """It is said which; another can be named."""
    lines = write(tmp_path / "p.jsonl", single(300), engine=None)
    out = tmp_path / "policy.json"

    ran = emostream(
        *("calibrate", "--predictions", str(lines), "--target-risk", "0.2", "--precision", "int8", "--out", str(out))
    )

    assert "taken to be openvino in int8" in ran.err
    assert "int8" == load_policy(out).engine.precision


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "give --model and --data, or --predictions"),
        (["--model", "builtin:emotion"], "give --model and --data, or --predictions"),
        (["--predictions", "p.jsonl", "--data", "d.csv"], "give --model and --data, or --predictions"),
        (["--predictions", "missing.jsonl", "--target-risk", "0.1"], "missing.jsonl"),
        (["--predictions", "empty.jsonl", "--target-risk", "0.1"], "no predictions"),
        (["--predictions", "p.jsonl"], "--method ltt needs --target-risk"),
        (["--predictions", "p.jsonl", "--target-risk", "0"], "must lie between 0 and 1"),
        (["--predictions", "p.jsonl", "--target-risk", "0.1", "--watch", "hope"], "--watch: 'hope' is none of"),
        (["--predictions", "p.jsonl", "--target-risk", "0.1", "--groups", "p.jsonl"], "cannot be read as JSON or YAML"),
        (["--predictions", "p.jsonl", "--target-risk", "0.2", "--out", "no/such/folder"], "cannot be written"),
        (["--predictions", "other.jsonl", "--target-risk", "0.2"], "line 1: not a line that `emostream classify`"),
        (["--predictions", "calibrated.jsonl", "--target-risk", "0.2"], "classify the texts again with --no-policy"),
    ],
)
def test_refusals_are_one_line(
    emostream: Invoke, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], message: str
) -> None:
    """Exit 2, on stderr, without a traceback."""
    monkeypatch.chdir(tmp_path)
    write(Path("p.jsonl"), single(300))
    write(Path("calibrated.jsonl"), single(300), policy={"id": "sha256:p", "calibrated": True})
    Path("empty.jsonl").write_text("")
    Path("other.jsonl").write_text('{"text": "nobody may read this"}\n')

    ran = emostream("calibrate", "--out", "policy.json", *arguments)

    assert (2, "", 1) == (ran.code, ran.out, len(ran.err.splitlines())), ran.err
    assert message in ran.err


@pytest.mark.parametrize("content", ["", "{}", "[1]"])
def test_policy_show_refuses_what_is_no_policy(emostream: Invoke, tmp_path: Path, content: str) -> None:
    """In one line that names the file."""
    path = tmp_path / "policy.json"
    path.write_text(content)

    ran = emostream("policy", "show", str(path))

    assert (2, "", 1) == (ran.code, ran.out, len(ran.err.splitlines()))
    assert "policy.json" in ran.err


def test_policy_show_explains_rules_and_reasons(emostream: Invoke, tmp_path: Path) -> None:
    """A table of what sends a text to review."""
    path = tmp_path / "policy.json"
    path.write_text(dump_policy(policy()))

    ran = emostream("policy", "show", str(path))

    assert (0, True, True) == (ran.code, "low_confidence" in ran.words, "Nothing is promised" in ran.words)


def test_audit_estimate(emostream: Invoke, tmp_path: Path) -> None:
    """A sentence with the interval, what it means for the promise, and a line for each label; or JSON."""
    from tests.unit.learning.test_audited import COPIED, event, lines

    rows = [event(each, answer="joy" if number % 4 else "fear") for number, each in enumerate(COPIED)]
    path = str(lines(tmp_path / "answered.jsonl", rows))

    told = emostream("audit", "estimate", "--labels", path)
    values = json.loads(emostream("audit", "estimate", "--labels", path, "--json", "-").out)

    assert (0, True) == (told.code, "promised: at most 5 %: broken" in told.words)
    assert values["low"] < values["risk"] < values["high"]
    assert values["by_label"]["joy"]["risk"] == values["risk"]


@pytest.mark.parametrize("command", [("calibrate", "--out", "p.json"), ("audit", "estimate", "--labels", "a.csv")])
def test_without_the_learning_extra_it_is_said_what_to_install(
    emostream: Invoke, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]
) -> None:
    """In one line, instead of a traceback."""
    monkeypatch.setattr("worker.learning.extras.find_spec", lambda _: None)

    ran = emostream(*command)

    assert (2, 1) == (ran.code, len(ran.err.splitlines()))
    assert "scipy: pip install 'emostream[learning]'" in ran.err
