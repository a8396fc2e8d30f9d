"""The development broker in a container, as users start it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from signal import SIGINT

import pytest

from tests.conftest import Topics
from tests.deploy.docker.engine import Engine
from tests.e2e.processes import Way, worker
from tests.kafka_io import ToSend, produce
from worker.devbroker.ports import free_ports

pytestmark = pytest.mark.timeout(300)

LABEL = "label=org.testcontainers"


@pytest.fixture
def environ(docker: Engine, kafka_image: str) -> dict[str, str]:
    """Without testcontainers' own reaper, whose image may not be had: `close` is what is tested."""
    return {**os.environ, **docker.environ, "TESTCONTAINERS_RYUK_DISABLED": "true"}


@pytest.fixture
def command(environ: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    (port,) = free_ports(1)
    line = [sys.executable, "-m", "worker", "broker", "--kind", "docker", "--port", str(port)]
    process = subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environ)
    try:
        yield process
    finally:
        process.terminate()  # a kill would leave its container
        process.communicate(timeout=60)


def test_a_worker_runs_on_it_exactly_once_and_nothing_is_left(
    docker: Engine, command: subprocess.Popen[str], tmp_path: Path
) -> None:
    """`emostream broker --kind docker` serves transactions; Ctrl-C removes the container."""
    assert command.stdout is not None
    assert command.stderr is not None
    address = command.stdout.readline().strip()
    assert address, command.stderr.read()
    way = Way.made(Topics(address), "docker")
    produce(address, way.input, [ToSend(b'{"text": "i am so happy"}', key=b"%d" % number) for number in range(50)])

    with worker(way.config(tmp_path), "--until-caught-up") as running:
        code = running.wait(120)

    assert code == 0, running.log()
    assert {1: 50} == dict(Counter(Counter(way.outcomes().ids()).values()))
    command.send_signal(SIGINT)
    assert command.wait(60) == 0
    assert docker.docker("container", "ls", "--all", "--quiet", "--filter", LABEL) == ""
