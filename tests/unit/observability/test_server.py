from __future__ import annotations

import threading
from collections.abc import Iterator
from http.client import HTTPConnection

import pytest

from tests.unit.observability.serving import LOOPBACK, Serving, serving
from worker.errors import ConfigError
from worker.observability.server import HealthServer


@pytest.fixture
def running() -> Iterator[Serving]:
    with serving() as server:
        yield server


def test_livez_follows_progress(running: Serving) -> None:
    """200 while the loop gets on, 503 with the reason when it does not."""
    running.health.progress(running.clock.monotonic())
    alive = running.get("/livez")
    running.clock.advance(61)
    stuck = running.get("/livez")

    assert alive == (200, "text/plain; charset=utf-8", "alive\n")
    assert stuck[0] == 503
    assert stuck[2].startswith("no progress for 61 s")


def test_readyz_follows_readiness(running: Serving) -> None:
    """503 until the worker says so."""
    before = running.get("/readyz")
    running.health.ready(True)
    after = running.get("/readyz")

    assert (before[0], before[2]) == (503, "starting\n")
    assert (after[0], after[2]) == (200, "ready\n")


def test_metrics_are_served_as_text_or_openmetrics(running: Serving) -> None:
    """The scraper's Accept header decides."""
    running.metrics.rebalanced()

    text = running.get("/metrics")
    openmetrics = running.get("/metrics", Accept="application/openmetrics-text; version=1.0.0")

    assert text[0] == openmetrics[0] == 200
    assert text[1].startswith("text/plain")
    assert "emostream_rebalances_total 1.0\n" in text[2]
    assert openmetrics[1].startswith("application/openmetrics-text")
    assert openmetrics[2].endswith("# EOF\n")


def test_other_paths_are_not_found(running: Serving) -> None:
    """Nothing else is served."""
    assert running.get("/")[0] == 404


def test_a_taken_port_is_one_line_at_once(running: Serving) -> None:
    """A second worker on the host says what to change before it does anything else."""
    port = running.server.port

    with pytest.raises(ConfigError) as caught:
        HealthServer(host=LOOPBACK, port=port, health=running.health, registry=running.metrics.registry)

    assert str(caught.value) == (
        f"server.port: cannot listen on {LOOPBACK} port {port}: Address already in use; choose another server.port "
        "or server.host, or port null to turn the server off"
    )


def test_a_host_that_is_not_here_is_one_line(running: Serving) -> None:
    """An address of another machine."""
    with pytest.raises(ConfigError, match=r"cannot listen on 192\.0\.2\.1 port 9100"):
        HealthServer(host="192.0.2.1", port=9100, health=running.health, registry=running.metrics.registry)


def test_stopping_frees_the_port_and_the_thread() -> None:
    """Twice, also with a client that keeps its connection open."""
    with serving() as running:
        held = HTTPConnection(LOOPBACK, running.server.port, timeout=10)
        held.request("GET", "/livez")
        held.getresponse().read()
        port = running.server.port

        running.server.stop()
        running.server.stop()
        held.close()

        again = HealthServer(host=LOOPBACK, port=port, health=running.health, registry=running.metrics.registry)
        again.stop()
        assert "health" not in {thread.name for thread in threading.enumerate()}
