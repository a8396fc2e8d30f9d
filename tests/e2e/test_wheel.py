"""The built wheel in an empty environment: what a user gets from `pip install emostream`."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MEGABYTE = 1_000_000
UV = [sys.executable, "-m", "uv"]


def run(*command: str | Path, cwd: Path | None = None) -> str:
    done = subprocess.run([str(part) for part in command], cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-4000:]
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--wheel", "--installer", "uv", "--outdir", folder, ROOT)
    (built,) = folder.glob("*.whl")
    return built


def test_the_wheel_holds_both_packages_their_types_and_the_models(wheel: Path) -> None:
    """`worker` and `schemas`, each with py.typed, and the four builtin models within their sizes."""
    with zipfile.ZipFile(wheel) as archive:
        sizes = {item.filename: item.file_size for item in archive.infolist()}

    def megabytes(model: str) -> float:
        return sum(size for name, size in sizes.items() if name.startswith(f"worker/models/{model}/")) / MEGABYTE

    assert {"worker/py.typed", "schemas/py.typed", "worker/devbroker/pom.xml"} <= sizes.keys()
    assert 0 < megabytes("emotion-tiny") <= 4
    assert all(0 < megabytes(model) <= 16 for model in ("emotion", "ekman", "goemotions"))
    assert wheel.stat().st_size <= 45 * MEGABYTE
    assert not [name for name in sizes if name.startswith("tests")]


def test_installed_alone_it_classifies_without_torch(wheel: Path, tmp_path: Path) -> None:
    """In an empty environment, outside the checkout, `emostream classify` answers; torch is not there."""
    venv = tmp_path / "venv"
    python = venv / "bin" / "python"
    run(sys.executable, "-m", "venv", "--without-pip", venv)
    run(*UV, "pip", "install", "--quiet", "--python", python, "--constraint", ROOT / "constraints.txt", wheel)
    texts = tmp_path / "texts.txt"
    texts.write_text("i feel so happy today\ni am terrified of the dark\n")

    emostream = venv / "bin" / "emostream"
    lines = run(emostream, "classify", "--model", "builtin:emotion", "--input", texts, "--output", "-", cwd=tmp_path)
    has_torch = run(python, "-c", "import importlib.util; print(importlib.util.find_spec('torch'))")

    assert [json.loads(line)["labels"] for line in lines.splitlines()] == [["joy"], ["fear"]]
    assert has_torch.strip() == "None"
    assert "emostream" in run(emostream, "--version", cwd=tmp_path)
