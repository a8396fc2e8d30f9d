"""The contenders' own virtual environments, made once under build/bench-envs and kept.

Each has the contender and what it depends on, pinned; torch, transformers and the rest are lent by the project's
environment through a path file, so that all contenders run the same model code.
"""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "build" / "bench-envs"
INSTALL_TIMEOUT_S = 900


@dataclass(frozen=True)
class Environment:
    """`package` is the contender among `requirements`."""

    name: str
    package: str
    requirements: tuple[str, ...]

    @property
    def python(self) -> Path:
        return FOLDER / self.name / "bin" / "python"

    @property
    def _ready(self) -> Path:
        """Holds what was installed, once all of it was."""
        return FOLDER / self.name / ".installed"

    def made(self) -> str | None:
        """Install it unless it is there; why not, in one line, or None when it is ready."""
        wanted = "\n".join(self.requirements)
        if self._ready.exists() and self._ready.read_text() == wanted:
            return None
        install = [*_installer(self.python), *self.requirements]
        for command in ([sys.executable, "-m", "venv", "--clear", str(FOLDER / self.name)], install):
            try:
                done = subprocess.run(
                    command, capture_output=True, text=True, timeout=INSTALL_TIMEOUT_S, check=False, env=_quiet()
                )
            except (OSError, subprocess.TimeoutExpired) as error:
                return f"{self.package} was not installed: {error}"
            if done.returncode:
                return f"{self.package} was not installed: {_last_line(done.stderr)}"
        self._lend()
        self._ready.write_text(wanted)
        return None

    def _lend(self) -> None:
        folder = next((FOLDER / self.name / "lib").glob("python*/site-packages"))
        (folder / "lent.pth").write_text(sysconfig.get_path("purelib") + "\n")


ENVIRONMENTS = {
    each.name: each
    for each in (
        Environment("beam", "apache-beam", ("apache-beam==2.77.0",)),
        # it calls what transformers 5 has no more, so it has a transformers of its own
        Environment("infinity", "infinity-emb", ("infinity-emb==0.0.78", "transformers>=4.50,<5")),
        Environment("faststream", "faststream", ("faststream[confluent]==0.7.8",)),
        Environment("quix", "quixstreams", ("quixstreams==3.28.0",)),
        Environment("arroyo", "sentry-arroyo", ("sentry-arroyo==2.48.0",)),
    )
}


def prepare(console: Console) -> dict[str, str]:
    """Make all of them; for each that could not be made, why."""
    missing = {}
    for environment in ENVIRONMENTS.values():
        if (reason := environment.made()) is not None:
            console.print(f"left out: {reason}")
            missing[environment.name] = reason
    return missing


def _installer(python: Path) -> list[str]:
    """uv where the project's environment has it (make puts it there), else pip."""
    uv = Path(sys.executable).with_name("uv")
    if uv.exists():
        return [str(uv), "pip", "install", "--python", str(python)]
    return [str(python), "-m", "pip", "install", "--disable-pip-version-check"]


def _quiet() -> dict[str, str]:
    return {**os.environ, "NO_COLOR": "1"}


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "no reason given"
