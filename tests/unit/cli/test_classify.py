"""`emostream classify`: what is wrong with its files is said before a model is loaded."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.cli.conftest import Invoke


@pytest.fixture(autouse=True)
def no_model(monkeypatch: pytest.MonkeyPatch) -> None:
    """Loading a model would be too late."""
    monkeypatch.setattr("worker.inference.loading.load_engine", None)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--input", "missing.csv"], "missing.csv: cannot be read: No such file"),
        (["--input", "texts.docx"], "say --input-format txt|csv|tsv|jsonl|parquet"),
        (["--input", "texts.csv"], "no column 'text' among id, comment"),
        (["--input", "texts.csv", "--text-field", "comment", "--output", "texts.csv"], "are the same file"),
        (["--input", "texts.csv", "--text-field", "comment", "--output", "no/such/folder"], "cannot be written"),
        (["--input", "texts.csv", "--text-field", "/~2"], "is not a JSON pointer"),
    ],
)
def test_wrong_files(
    emostream: Invoke, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], message: str
) -> None:
    """Each mistake is one line on stderr, exit code 2, and changes no file."""
    monkeypatch.chdir(tmp_path)
    Path("texts.csv").write_text("id,comment\n1,fine\n")

    ran = emostream("classify", *arguments)

    assert (2, "", 1) == (ran.code, ran.out, len(ran.err.splitlines()))
    assert message in ran.err
    assert Path("texts.csv").read_text() == "id,comment\n1,fine\n"
