"""A real Prometheus that scrapes what it is told to, every second; and its promtool."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import yaml

from tests.real_parts import unmet
from worker.devbroker.ports import free_ports

START_TIMEOUT_S = 60
INSTALL = "run scripts/test-tools monitoring as root"


@dataclass(frozen=True)
class Prometheus:
    """Listens on a port of this machine."""

    port: int

    def query(self, expression: str) -> list[dict[str, Any]]:
        """The series of an instant query. Raises AssertionError with what is wrong with the expression."""
        answer = self._get("/api/v1/query?" + urlencode({"query": expression}))
        assert answer["status"] == "success", f"{expression}: {answer['error']}"
        return answer["data"]["result"]  # type: ignore[no-any-return]

    def rules(self) -> list[dict[str, Any]]:
        """Every loaded rule, with its health."""
        groups = self._get("/api/v1/rules")["data"]["groups"]
        return [rule for group in groups for rule in group["rules"]]

    def ready(self) -> bool:
        try:
            self._get("/api/v1/status/buildinfo")
        except (OSError, HTTPException, json.JSONDecodeError):
            return False
        return True

    def _get(self, path: str) -> Any:
        connection = HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request("GET", path)
            return json.loads(connection.getresponse().read())
        finally:
            connection.close()


@contextmanager
def prometheus(folder: Path, *, targets: Sequence[str], rules: Path) -> Iterator[Prometheus]:
    """Started with the rules, evaluated every second; the targets are the job `emostream`."""
    (port,) = free_ports(1)
    config = folder / "prometheus.yml"
    config.write_text(
        yaml.safe_dump(
            {
                "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
                "rule_files": [str(rules)],
                "scrape_configs": [{"job_name": "emostream", "static_configs": [{"targets": list(targets)}]}],
            }
        )
    )
    command = [
        *(_program("prometheus"), f"--config.file={config}", f"--storage.tsdb.path={folder / 'data'}"),
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    with (folder / "prometheus.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            started = Prometheus(port)
            deadline = time.monotonic() + START_TIMEOUT_S
            while not started.ready():
                assert process.poll() is None, (folder / "prometheus.log").read_text()
                assert time.monotonic() < deadline, "Prometheus does not answer"
                time.sleep(0.1)
            yield started
        finally:
            process.kill()
            process.wait(10)


def promtool(*arguments: str) -> str:
    """What it printed. Raises AssertionError with what it found."""
    done = subprocess.run([_program("promtool"), *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def _program(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        unmet(f"no {name}: {INSTALL}")
    return found
