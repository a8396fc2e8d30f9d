"""Commands read the environment: the tests of them start from an empty one."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest
from typer.testing import CliRunner

from worker.cli import app

Invoke = Callable[..., "Ran"]


class Ran:
    """What a command did: its exit code and what it said where."""

    def __init__(self, *arguments: str) -> None:
        result = CliRunner().invoke(app, list(arguments), prog_name="emostream")
        self.code = result.exit_code
        self.out = result.stdout
        self.err = result.stderr
        self.words = " ".join(result.stdout.split())


@pytest.fixture
def emostream(monkeypatch: pytest.MonkeyPatch) -> Invoke:
    """Runs `emostream` with these arguments in this process."""
    for name in [name for name in os.environ if name.upper().startswith("EMOSTREAM_")]:
        monkeypatch.delenv(name)
    return Ran
