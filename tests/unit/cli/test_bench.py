"""`emostream bench`: tables for people, JSON for programs, settings for the worker."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.unit.cli.conftest import Invoke
from tests.unit.profiling.engines import TimedEngine
from worker.cli import bench
from worker.config import load
from worker.errors import ModelError
from worker.profiling.settings import Setting
from worker.testing import FakeClock

QUICKLY = ("bench", "--seconds", "0.1")


@pytest.fixture(autouse=True)
def machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with OpenVINO alone, in float32 and int8."""

    def opened(model: str, revision: str | None, setting: Setting) -> TimedEngine:
        if setting.backend == "torch" or setting.precision == "bfloat16":
            raise ModelError(f"no {setting.backend} {setting.precision} here")
        return TimedEngine(FakeClock(), rate=1000.0, moved=0.25 if setting.precision == "int8" else 0.0)

    monkeypatch.setattr(bench, "_open", opened)


@pytest.fixture
def comments(tmp_path: Path) -> Path:
    path = tmp_path / "comments.csv"
    path.write_text("id,comment\n" + "".join(f"{number},comment {number}\n" for number in range(20)))
    return path


def test_shows_engines_settings_and_how_far_to_trust_them(emostream: Invoke) -> None:
    """Over the demo's texts; what is missing is named with its reason, and the spread is said."""
    ran = emostream(*QUICKLY)

    assert 0 == ran.code
    for said in ("openvino float32", "reference", "no torch float32 here", "medians of 3 turns", "One worker"):
        assert said in ran.words


def test_a_model_without_a_reference_is_noted(
    emostream: Invoke, comments: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder with a quantized model alone: it is measured, but nobody knows from that what int8 changes."""

    def opened(model: str, revision: str | None, setting: Setting) -> TimedEngine:
        if setting.precision != "int8":
            raise ModelError("only int8 here")
        return TimedEngine(FakeClock(), rate=1000.0)

    monkeypatch.setattr(bench, "_open", opened)

    ran = emostream(*QUICKLY, "--input", str(comments), "--text-field", "comment")

    assert "nothing here runs this model in float32" in ran.words
    assert "precision: int8" in ran.words


def test_programs_can_read_it(emostream: Invoke, comments: Path) -> None:
    """Of any file that `classify` takes; nothing else is on standard output."""
    ran = emostream(*QUICKLY, "--input", str(comments), "--text-field", "comment", "--json", "-")

    found = json.loads(ran.out)
    assert (20, "torch", "openvino") == (
        found["texts"],
        found["skipped"][0]["backend"],
        found["recommended"]["backend"],
    )


def test_writes_settings_that_a_worker_takes(emostream: Invoke, comments: Path, tmp_path: Path) -> None:
    """`emostream run --config` reads the file."""
    path = tmp_path / "tuned.yaml"

    ran = emostream(*QUICKLY, "--input", str(comments), "--text-field", "comment", "--output", str(path))

    assert (0, "openvino", "float32") == (ran.code, load(path).model.backend, load(path).model.precision)


def test_a_file_that_is_not_there_is_refused(emostream: Invoke, tmp_path: Path) -> None:
    """Exit 2 and one line, before anything is loaded."""
    ran = emostream(*QUICKLY, "--input", str(tmp_path / "none.txt"))

    assert (2, 1) == (ran.code, len(ran.err.splitlines()))
