"""`emostream health`: asks the worker on this host; made for probes, so it imports next to nothing."""

from __future__ import annotations

import os
from contextlib import closing
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

import typer

DEFAULT_HOST = "0.0.0.0"  # noqa: S104 (as the settings have it)
DEFAULT_PORT = 9100
TIMEOUT_S = 5.0
EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104


def health(
    config: Annotated[
        Path | None, typer.Option(help="The worker's configuration file; its server.port is asked.", metavar="FILE")
    ] = None,
    url: Annotated[str | None, typer.Option(help="Ask here instead, e.g. http://worker-0:9100.", metavar="URL")] = None,
    ready: Annotated[bool, typer.Option("--ready", help="Whether it is ready for work, and not only alive.")] = False,
) -> None:
    """Exit 0 if the worker on this host is alive and making progress; else exit 1 and say why.

    Example: emostream health --config emostream.yaml --ready
    """
    base = url or _address(config)
    verdict = (
        "the server is off (server.port is null)" if base is None else _ask(base, "/readyz" if ready else "/livez")
    )
    if verdict is not None:
        typer.echo(f"emostream: {verdict}", err=True)
        raise typer.Exit(1)


def _ask(base: str, path: str) -> str | None:
    """What is wrong, in one line; None: all is well."""
    try:
        status, said = _get(base, path)
    except (OSError, HTTPException, ValueError) as error:
        return f"no answer from {base}{path}: {error}"
    return None if status == 200 else f"{base}{path}: {' '.join(said.split())} (HTTP {status})"


def _get(base: str, path: str) -> tuple[int, str]:
    """Status and beginning of the answer. Not by urllib.request, which would ask the proxy of the environment."""
    parts = urlsplit(base if "//" in base else f"//{base}")
    connect = HTTPSConnection if parts.scheme == "https" else HTTPConnection
    with closing(connect(parts.hostname or "127.0.0.1", parts.port, timeout=TIMEOUT_S)) as connection:
        connection.request("GET", parts.path.rstrip("/") + path)
        response = connection.getresponse()
        return response.status, response.read(200).decode("utf-8", "replace")


def _address(config: Path | None) -> str | None:
    """Where the worker with this configuration listens, from two keys alone: to read all takes longer than to ask."""
    server = _section(config) if config is not None else {}
    host = os.environ.get("EMOSTREAM_SERVER__HOST") or server.get("host", DEFAULT_HOST)
    port = os.environ.get("EMOSTREAM_SERVER__PORT") or server.get("port", DEFAULT_PORT)
    if port in (None, "null"):
        return None
    host = EVERYWHERE.get(str(host), str(host))
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _section(config: Path) -> dict[str, Any]:
    from worker.config.yaml_file import read_yaml

    section = read_yaml(config).get("server")
    return section if isinstance(section, dict) else {}
