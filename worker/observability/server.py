"""The small HTTP server: /livez, /readyz and /metrics, on a daemon thread of its own.

Import it only where it is started: it brings in starlette and uvicorn.
"""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Awaitable, Callable

import uvicorn
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from worker.errors import ConfigError
from worker.observability.health import Health, Verdict

STOP_S = 2.0


class HealthServer:
    """Serves one worker's health and metrics; the port is taken in the constructor, so that a second worker on it
    fails at once. `port` is the one it listens on: a free one, if 0 was asked for. Raises ConfigError."""

    def __init__(self, *, host: str, port: int, health: Health, registry: CollectorRegistry) -> None:
        self._socket = _listen(host, port)
        self.port: int = self._socket.getsockname()[1]
        config = uvicorn.Config(
            application(health, registry),
            log_config=None,
            access_log=False,
            lifespan="off",
            ws="none",
            server_header=False,
            timeout_graceful_shutdown=1,
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(
            target=self._server.run, kwargs={"sockets": [self._socket]}, name="health", daemon=True
        )

    def start(self) -> None:
        """Begin to answer; requests sent before this wait."""
        self._thread.start()

    def stop(self) -> None:
        """Finish the answers on their way and free the port. Blocks for at most `STOP_S`; idempotent."""
        self._server.should_exit = True
        if self._thread.is_alive():
            self._thread.join(STOP_S)
        self._socket.close()


def application(health: Health, registry: CollectorRegistry) -> Starlette:
    """The three routes."""

    async def metrics(request: Request) -> Response:
        encode, content_type = choose_encoder(request.headers.get("accept", ""))
        return Response(encode(registry), headers={"content-type": content_type})

    return Starlette(
        routes=[
            Route("/livez", _probe(health.live)),
            Route("/readyz", _probe(health.readiness)),
            Route("/metrics", metrics),
        ]
    )


def _probe(ask: Callable[[], Verdict]) -> Callable[[Request], Awaitable[Response]]:
    async def answer(_request: Request) -> Response:
        verdict = ask()
        return PlainTextResponse(f"{verdict.why}\n", status_code=200 if verdict.ok else 503)

    return answer


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=128)
    except OSError as error:
        code = error.errno or 0
        why = os.strerror(code) if code > 0 else error.strerror  # unknown names have codes of their own
        raise ConfigError(
            f"server.port: cannot listen on {host} port {port}: {why}; choose another server.port or server.host, "
            "or port null to turn the server off"
        ) from error
