from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.cli.conftest import Invoke
from tests.unit.observability.serving import Serving, serving
from worker.cli import health
from worker.config import Settings


@pytest.fixture
def running() -> Iterator[Serving]:
    with serving() as server:
        yield server


def test_a_living_worker_is_exit_0_without_a_word(emostream: Invoke, running: Serving) -> None:
    """As probes like it."""
    ran = emostream("health", "--url", running.url)

    assert (ran.code, ran.out, ran.err) == (0, "", "")


def test_a_stuck_worker_is_exit_1_and_says_why(emostream: Invoke, running: Serving) -> None:
    """In one line."""
    running.health.progress(running.clock.monotonic())
    running.clock.advance(100)

    ran = emostream("health", "--url", running.url)

    assert ran.code == 1
    assert ran.err == (
        f"emostream: {running.url}/livez: no progress for 100 s (server.stall_timeout_s: 60) (HTTP 503)\n"
    )


def test_ready_asks_for_readiness(emostream: Invoke, running: Serving) -> None:
    """Alive is not ready."""
    before = emostream("health", "--url", running.url, "--ready")
    running.health.ready(True)
    after = emostream("health", "--url", running.url, "--ready")

    assert (before.code, after.code) == (1, 0)
    assert before.err == f"emostream: {running.url}/readyz: starting (HTTP 503)\n"


def test_no_worker_is_exit_1(emostream: Invoke, running: Serving) -> None:
    """Connection refused, in one line."""
    running.server.stop()

    ran = emostream("health", "--url", running.url)

    assert ran.code == 1
    assert ran.err == f"emostream: no answer from {running.url}/livez: [Errno 111] Connection refused\n"


@pytest.mark.parametrize("url", ["http://127.0.0.1:99999", "http://[::1", "no-such-host.invalid:1"])
def test_a_bad_url_is_exit_1(emostream: Invoke, url: str) -> None:
    """One line, no traceback."""
    ran = emostream("health", "--url", url)

    assert ran.code == 1
    assert ran.err.startswith(f"emostream: no answer from {url}/livez: ")


def test_the_proxy_of_the_environment_is_not_asked(
    emostream: Invoke, running: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A probe of the own host through a proxy would always fail."""
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")

    assert emostream("health", "--url", running.url).code == 0


def test_the_port_comes_from_the_file(emostream: Invoke, running: Serving, tmp_path: Path) -> None:
    """The same file that the worker runs with."""
    file = tmp_path / "emostream.yaml"
    file.write_text(f"server: {{host: 127.0.0.1, port: {running.server.port}}}", encoding="utf-8")

    assert emostream("health", "--config", str(file)).code == 0


def test_the_port_comes_from_the_environment(
    emostream: Invoke, running: Serving, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Which wins over the file, as it does for the worker."""
    file = tmp_path / "emostream.yaml"
    file.write_text("server: {port: 1}", encoding="utf-8")
    monkeypatch.setenv("EMOSTREAM_SERVER__PORT", str(running.server.port))

    assert emostream("health").code == 0
    assert emostream("health", "--config", str(file)).code == 0


def test_a_server_that_is_off_cannot_be_asked(emostream: Invoke, tmp_path: Path) -> None:
    """Said as such, and not as a dead worker."""
    file = tmp_path / "emostream.yaml"
    file.write_text("server: {port: null}", encoding="utf-8")

    ran = emostream("health", "--config", str(file))

    assert (ran.code, ran.err) == (1, "emostream: the server is off (server.port is null)\n")


def test_a_bad_file_is_exit_2(emostream: Invoke, tmp_path: Path) -> None:
    """As for every command."""
    ran = emostream("health", "--config", str(tmp_path / "missing.yaml"))

    assert ran.code == 2
    assert ran.err.endswith("missing.yaml: cannot be read: No such file or directory\n")


def test_the_defaults_are_those_of_the_settings() -> None:
    """They are spelled twice, because importing the settings takes longer than asking."""
    server = Settings().server

    assert (health.DEFAULT_HOST, health.DEFAULT_PORT) == (server.host, server.port)
