"""What pytest makes of a broker test on a machine without Java."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.devbroker.watching import ROOT


@pytest.mark.parametrize(("ci", "status", "outcome"), [("true", 1, "3 errors"), ("", 0, "3 skipped")])
def test_without_java_broker_tests_fail_in_ci_and_skip_elsewhere(
    ci: str, status: int, outcome: str, tmp_path: Path
) -> None:
    """A CI machine that lost its Java cannot be green; a developer without Java can work."""
    environ = {**os.environ, "CI": ci, "JAVA_HOME": str(tmp_path)}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]

    run = subprocess.run(
        [*command, "tests/integration/devbroker/test_kafka_io.py"],
        cwd=ROOT,
        env=environ,
        capture_output=True,
        text=True,
        check=False,
    )

    assert (status, True) == (run.returncode, outcome in run.stdout)
    assert "no java under JAVA_HOME" in run.stdout
