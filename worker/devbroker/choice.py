"""Which development broker: the one asked for, or the first that works."""

from __future__ import annotations

import re
import socket
from collections.abc import Mapping
from typing import Protocol

from worker.devbroker.kinds import DevBroker, DevBrokerUnavailable, Report
from worker.errors import UsageError

CONNECT_TIMEOUT_S = 5.0


class Start(Protocol):
    """Starts one kind; raises DevBrokerUnavailable, in one line, when it cannot."""

    def __call__(self, *, port: int | None, report: Report) -> DevBroker: ...


class AddressBroker(DevBroker):
    """Somebody's running broker; it is used and left alone."""

    kind = "address"
    transactional = True

    def __init__(self, servers: str) -> None:
        self._servers = servers

    @property
    def bootstrap_servers(self) -> str:
        return self._servers

    def close(self) -> None:
        """Nothing: it is not ours."""


def start_docker(*, port: int | None, report: Report) -> DevBroker:
    from worker.devbroker.docker import DockerBroker

    return DockerBroker.start(port=port, report=report)


def start_jvm(*, port: int | None, report: Report) -> DevBroker:
    from worker.devbroker.jvm import JvmBroker

    return JvmBroker.start(port=port, report=report)


def start_embedded(*, port: int | None, report: Report) -> DevBroker:
    from worker.devbroker.embedded import EmbeddedBroker

    return EmbeddedBroker.start(port=port, report=report)


KINDS: Mapping[str, Start] = {"docker": start_docker, "jvm": start_jvm, "embedded": start_embedded}
"""In the order in which `auto` tries them."""


def start(kind: str, *, port: int | None = None, report: Report, kinds: Mapping[str, Start] = KINDS) -> DevBroker:
    """A running broker of `kind`: `auto`, `docker`, `jvm`, `embedded` or the `HOST:PORT` of one that runs already.

    `port`: where a started one shall listen. `report` gets a line for each kind that `auto` refused, with the reason,
    and one that says which it is and where. Raises UsageError for a kind that does not exist, DevBrokerUnavailable
    when it, or with `auto` none of them, can run here.
    """
    if is_address(kind):
        broker: DevBroker = _reach(kind, port)
    elif kind == "auto":
        broker = _first_that_works(port, report, kinds)
    elif kind in kinds:
        broker = kinds[kind](port=port, report=report)
    else:
        raise UsageError(f"no kind of broker is called {kind!r}: choose auto, {', '.join(kinds)} or HOST:PORT")
    report(f"broker: {broker.kind} at {broker.bootstrap_servers}")
    return broker


def is_address(kind: str) -> bool:
    """Whether it reads like `host:port`, or several separated by commas."""
    return all(re.fullmatch(r"[^\s,/]+:\d{1,5}", server) for server in kind.split(","))


def _first_that_works(port: int | None, report: Report, kinds: Mapping[str, Start]) -> DevBroker:
    for name, start_kind in kinds.items():
        try:
            return start_kind(port=port, report=report)
        except DevBrokerUnavailable as refused:
            report(f"not {name}: {refused}")
    raise DevBrokerUnavailable("no development broker can run here (the reasons are above)")


def _reach(servers: str, port: int | None) -> AddressBroker:
    if port is not None:
        raise UsageError(f"{servers} has its port already: leave --port out")
    refusals = []
    for server in servers.split(","):
        host, _, number = server.rpartition(":")
        try:
            socket.create_connection((host.strip("[]"), int(number)), timeout=CONNECT_TIMEOUT_S).close()
        except (OSError, OverflowError) as error:
            refusals.append(str(error))
        else:
            return AddressBroker(servers)
    raise DevBrokerUnavailable(f"nothing listens at {servers} ({refusals[0]})")
