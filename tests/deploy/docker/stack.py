"""docker-compose.yml brought up as a user would, on ports of its own."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from tests.deploy.docker.engine import Engine
from tests.deploy.docker.images import ROOT
from tests.e2e.processes import Outcomes, Way
from tests.kafka_io import ToSend, end_offsets, produce
from worker.demo.messages import messages
from worker.devbroker.ports import free_ports

UP_TIMEOUT_S = 240
WAIT_S = 120


@dataclass
class Stack:
    """A project of the compose file."""

    engine: Engine
    project: str
    kafka_port: int
    command: list[str]
    volumes_before: list[str]
    sent: int = 0

    def compose(self, *arguments: str, stdin: bytes | None = None, timeout_s: float = UP_TIMEOUT_S) -> str:
        return self.engine.run(
            [*self.command, "--project-name", self.project, *arguments],
            stdin=stdin,
            cwd=ROOT,
            environ={"KAFKA_PORT": str(self.kafka_port), "COMPOSE_PROFILES": ""},
            timeout_s=timeout_s,
        )

    def up(self, *arguments: str) -> float:
        """`up --wait`; the seconds it took."""
        began = time.monotonic()
        self.compose("up", "--detach", "--wait", "--no-build", "--pull=never", *arguments, "kafka", "topics", "worker")
        return time.monotonic() - began

    def containers(self, service: str) -> list[str]:
        return self.compose("ps", "--quiet", service).split()

    def inspect(self, container: str) -> dict[str, Any]:
        (found,) = json.loads(self.engine.docker("inspect", container))
        return found  # type: ignore[no-any-return]

    def signal(self, container: str, name: str) -> None:
        """At once, without Compose between; who is killed stays down until `up`."""
        self.engine.docker("kill", "--signal", name, container)

    def published(self) -> int:
        """Records in the output topic so far, committed or not."""
        return sum(end_offsets(f"localhost:{self.kafka_port}", "texts.enriched").values())

    @property
    def way(self) -> Way:
        names = ("texts", "texts.enriched", "texts.review", "texts.dead-letter")
        return Way(f"localhost:{self.kafka_port}", "emostream", *names)

    def send(self, count: int) -> None:
        """Sample messages, one in a hundred bad."""
        records = [ToSend(message.value, key=message.key) for message in messages(count)]
        produce(f"localhost:{self.kafka_port}", "texts", records)
        self.sent += count

    def outcomes(self) -> Outcomes:
        """All of them, once everything sent is committed."""
        until(self.way.committed_to_the_end, "all that was sent is committed")
        return self.way.outcomes()


def until(condition: Callable[[], bool], what: str, *, timeout_s: float = WAIT_S) -> float:
    """Wait for the condition; the seconds it took."""
    began = time.monotonic()
    while not condition():
        if time.monotonic() - began > timeout_s:
            raise AssertionError(f"not within {timeout_s:.0f} s: {what}")
        time.sleep(0.25)
    return time.monotonic() - began


@contextmanager
def stack(engine: Engine) -> Iterator[Stack]:
    """A project not yet up; taken down, with all it left, in any case."""
    (port,) = free_ports(1)
    name = f"emostream-test-{uuid.uuid4().hex[:8]}"
    made = Stack(engine, name, port, engine.compose_command(), engine.docker("volume", "ls", "--quiet").split())
    try:
        yield made
    finally:
        made.compose("--profile", "*", "down", "--volumes", "--timeout", "20")
