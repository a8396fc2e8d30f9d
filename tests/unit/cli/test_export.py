"""`emostream export`: what is wrong with its arguments and files is said before a model is loaded."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.cli.conftest import Invoke
from worker.inference.agreement import LIMITS


@pytest.fixture(autouse=True)
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder with texts in it; a model would be too late."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("worker.learning.exporting.export", None)
    Path("few.txt").write_text("fine\nnot fine\n")
    Path("taken").mkdir()
    Path("taken/model.bin").write_text("")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--out", "new"], "int8 needs some hundred unlabelled texts to take its scales from: give --calibration"),
        (["--out", "new", "--calibration", "few.txt"], "int8 needs at least 150 different texts"),
        (["--out", "new", "--calibration", "missing.txt"], "missing.txt: cannot be read"),
        (["--out", "taken", "--calibration", "few.txt"], "taken: the folder is not empty: name another --out"),
        (["--out", "few.txt", "--calibration", "few.txt"], "few.txt: is a file: name another --out"),
    ],
)
def test_mistakes(emostream: Invoke, arguments: list[str], message: str) -> None:
    """Each is one line on stderr, exit code 2, and leaves nothing behind."""
    before = sorted(Path().rglob("*"))

    ran = emostream("export", "--model", "builtin:emotion", "--precision", "int8", *arguments)

    assert (2, "", 1) == (ran.code, ran.out, len(ran.err.splitlines()))
    assert message in ran.err
    assert before == sorted(Path().rglob("*"))


def test_without_the_extra(emostream: Invoke, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is not installed is named, with the extra that brings it."""
    monkeypatch.setattr("worker.learning.extras.find_spec", lambda name: None if name == "nncf" else object())

    ran = emostream("export", "--model", "builtin:emotion", "--out", "new")

    assert (2, "emostream: export needs nncf: pip install 'emostream[learning]'\n") == (ran.code, ran.err)


def test_the_help_states_the_limits(emostream: Invoke) -> None:
    """The figures in the help are those that are enforced."""
    ran = emostream("export", "--help")

    for limit in LIMITS.values():
        assert f"{100 * (1 - limit.same_answer):g} %" in ran.words
        assert f"{limit.p99:g}" in ran.words
