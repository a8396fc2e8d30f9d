"""Which broker is chosen, and what the user is told about it."""

from __future__ import annotations

import socket
from dataclasses import dataclass

import pytest

from worker.devbroker.choice import KINDS, Start, is_address, start
from worker.devbroker.kinds import DevBroker, DevBrokerUnavailable, Report
from worker.errors import UsageError


class Running(DevBroker):
    kind = "jvm"
    transactional = True
    closed = False

    @property
    def bootstrap_servers(self) -> str:
        return "127.0.0.1:9092"

    def close(self) -> None:
        self.closed = True


@dataclass
class Starts:
    """Starts a broker, or refuses with a reason."""

    refusal: str | None = None
    port: int | None = None

    def __call__(self, *, port: int | None, report: Report) -> DevBroker:
        self.port = port
        if self.refusal is not None:
            raise DevBrokerUnavailable(self.refusal)
        report("starting")
        return Running()


def test_auto_tries_docker_then_jvm_then_embedded() -> None:
    """The order in which `auto` tries the kinds is fixed."""
    order = list(KINDS)

    assert ["docker", "jvm", "embedded"] == order


def test_auto_takes_the_first_that_works_and_says_why_not_the_others() -> None:
    """Each refused kind is one line with its reason; the last line says which broker it is and where."""
    lines: list[str] = []
    kinds: dict[str, Start] = {"docker": Starts("no engine"), "jvm": Starts(), "embedded": Starts()}

    broker = start("auto", report=lines.append, kinds=kinds)

    assert "jvm" == broker.kind
    assert ["not docker: no engine", "starting", "broker: jvm at 127.0.0.1:9092"] == lines


def test_auto_without_any_kind_says_every_reason() -> None:
    """When nothing can run, every reason is reported and the error is one line."""
    lines: list[str] = []
    kinds: dict[str, Start] = {"docker": Starts("no engine"), "jvm": Starts("no java")}

    with pytest.raises(DevBrokerUnavailable, match="no development broker can run here"):
        start("auto", report=lines.append, kinds=kinds)

    assert ["not docker: no engine", "not jvm: no java"] == lines


def test_a_named_kind_is_taken_or_refused_never_replaced() -> None:
    """Who asks for docker does not get another kind."""
    kinds: dict[str, Start] = {"docker": Starts("no engine"), "jvm": Starts()}

    with pytest.raises(DevBrokerUnavailable, match="no engine"):
        start("docker", report=lambda _line: None, kinds=kinds)


def test_the_port_is_passed_on() -> None:
    """The kind that is started gets the port asked for."""
    jvm = Starts()

    start("jvm", port=9092, report=lambda _line: None, kinds={"jvm": jvm})

    assert 9092 == jvm.port


def test_an_unknown_kind_is_a_usage_error_that_names_the_known_ones() -> None:
    """The message lists what may be asked for."""
    with pytest.raises(UsageError, match=r"'podman': choose auto, docker, jvm, embedded or HOST:PORT"):
        start("podman", report=lambda _line: None)


def test_an_address_that_listens_is_used_and_left_alone() -> None:
    """A running broker is taken as it is; closing it stops nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = f"127.0.0.1:{listener.getsockname()[1]}"

        with start(address, report=lambda _line: None) as broker:
            pass

        socket.create_connection(listener.getsockname(), timeout=5).close()
    assert ("address", address, True) == (broker.kind, broker.bootstrap_servers, broker.transactional)


def test_an_address_where_nobody_listens_is_refused() -> None:
    """The message names the address."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

    with pytest.raises(DevBrokerUnavailable, match=f"nothing listens at 127.0.0.1:{port}"):
        start(f"127.0.0.1:{port}", report=lambda _line: None)


def test_an_address_takes_no_port() -> None:
    """A port given twice is a usage error."""
    with pytest.raises(UsageError, match="leave --port out"):
        start("localhost:9092", port=9093, report=lambda _line: None)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("localhost:9092", True),
        ("a.example:9092,b.example:9093", True),
        ("[::1]:9092", True),
        ("jvm", False),
        ("host", False),
        ("host:port", False),
        ("a:1,b", False),
        ("http://host:9092", False),
    ],
)
def test_what_reads_like_an_address(text: str, expected: bool) -> None:
    """Only host:port, or several of them, is an address."""
    assert expected == is_address(text)
