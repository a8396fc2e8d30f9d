"""Settings are read from this machine's environment: the tests of them start from an empty one."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

WriteFile = Callable[[str], Path]


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.upper().startswith("EMOSTREAM_")]:
        monkeypatch.delenv(name)


@pytest.fixture
def config_file(tmp_path: Path) -> WriteFile:
    """Writes a configuration file and gives its path."""

    def write(text: str) -> Path:
        path = tmp_path / "emostream.yaml"
        path.write_text(text, encoding="utf-8")
        return path

    return write
