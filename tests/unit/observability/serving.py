"""A health server on a free loopback port, and questions to it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection

from worker.observability.health import Health
from worker.observability.metrics import Metrics
from worker.observability.server import HealthServer
from worker.testing import FakeClock

LOOPBACK = "127.0.0.1"


@dataclass(frozen=True)
class Serving:
    health: Health
    metrics: Metrics
    clock: FakeClock
    server: HealthServer

    @property
    def url(self) -> str:
        return f"http://{LOOPBACK}:{self.server.port}"

    def get(self, path: str, **headers: str) -> tuple[int, str, str]:
        """Status, content type and body."""
        connection = HTTPConnection(LOOPBACK, self.server.port, timeout=10)
        try:
            connection.request("GET", path, headers=headers)
            response = connection.getresponse()
            return response.status, response.headers.get("content-type", ""), response.read().decode()
        finally:
            connection.close()


@contextmanager
def serving() -> Iterator[Serving]:
    clock = FakeClock()
    health, metrics = Health(stall_timeout_s=60.0, clock=clock), Metrics(clock=clock)
    server = HealthServer(host=LOOPBACK, port=0, health=health, registry=metrics.registry)
    server.start()
    try:
        yield Serving(health, metrics, clock, server)
    finally:
        server.stop()
