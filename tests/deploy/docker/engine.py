"""A Docker engine for the tests: the one that answers, else one of our own for as long as they run."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.real_parts import unmet
from worker.devbroker.distribution import default_cache

TOOLS = default_cache() / "test-tools"
START_TIMEOUT_S = 60
INSTALL = "run scripts/test-tools docker as root, or start a Docker engine"


@dataclass(frozen=True)
class Engine:
    """Where it listens; commands run against it."""

    environ: dict[str, str] = field(default_factory=dict)

    def docker(self, *arguments: str, stdin: bytes | None = None, timeout_s: float = 120) -> str:
        """`docker …`; what it printed. Raises AssertionError with what it said on failure."""
        return self.run([_client(), *arguments], stdin=stdin, timeout_s=timeout_s)

    def run(
        self,
        command: Sequence[str],
        *,
        stdin: bytes | None = None,
        timeout_s: float,
        cwd: Path | None = None,
        environ: dict[str, str] | None = None,
    ) -> str:
        done = subprocess.run(
            command,
            input=stdin,
            capture_output=True,
            check=False,
            timeout=timeout_s,
            cwd=cwd,
            env={**os.environ, **self.environ, **(environ or {})},
        )
        if done.returncode != 0:
            raise AssertionError(f"{' '.join(command)}: exit {done.returncode}\n{(done.stdout + done.stderr).decode()}")
        return done.stdout.decode()

    def has(self, image: str) -> bool:
        """Whether the image is here, or can be pulled."""
        for attempt in (["image", "inspect", image], ["pull", "--quiet", image]):
            try:
                self.docker(*attempt, timeout_s=600)
            except (AssertionError, subprocess.TimeoutExpired):
                continue
            return True
        return False

    def compose_command(self) -> list[str]:
        """Compose v2, as a plugin or by itself."""
        try:
            self.docker("compose", "version")
        except AssertionError:
            own = TOOLS / "docker-compose"
            if not own.exists():
                unmet("no docker compose: " + INSTALL)
            return [str(own)]
        return [_client(), "compose"]


@contextmanager
def engine() -> Iterator[Engine]:
    """The engine of the environment if it answers; else our own, whose images stay in the cache."""
    given = Engine()
    if _answers(given):
        yield given
        return
    dockerd = shutil.which("dockerd")
    if dockerd is None or os.geteuid() != 0:
        unmet("no Docker engine: " + INSTALL)
    folder = default_cache() / "docker"
    folder.mkdir(parents=True, exist_ok=True)
    own = Engine({"DOCKER_HOST": f"unix://{folder}/engine.sock"})
    with (folder / "engine.log").open("wb") as log:
        process = subprocess.Popen(_dockerd(dockerd, folder), stdout=log, stderr=log, start_new_session=True)
        try:
            _await(own, process, folder / "engine.log")
            yield own
        finally:
            process.terminate()
            process.wait(START_TIMEOUT_S)


def _client() -> str:
    """Debian's own client before others: a newer one without buildx would leave BuildKit unused."""
    return next((path for path in ("/usr/bin/docker",) if Path(path).exists()), "docker")


def _dockerd(path: str, folder: Path) -> list[str]:
    return [
        *(path, "--data-root", str(folder / "data"), "--exec-root", str(folder / "exec")),
        *("--pidfile", str(folder / "engine.pid"), "--host", f"unix://{folder}/engine.sock"),
        *("--oom-score-adjust", "0", "--exec-opt", "native.cgroupdriver=cgroupfs"),  # no special rights, no systemd
        *("--bip", "10.92.0.1/24", "--default-address-pool", "base=10.93.0.0/16,size=24"),
    ]


def _answers(engine: Engine) -> bool:
    try:
        engine.docker("info")
    except (AssertionError, OSError, subprocess.TimeoutExpired):
        return False
    return True


def _await(engine: Engine, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while not _answers(engine):
        if process.poll() is not None or time.monotonic() > deadline:
            unmet("dockerd does not start: " + log.read_text(errors="replace")[-300:])
        time.sleep(0.2)
