from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import closing

import pytest

from tests.chaos.proxy import Mode, Proxy, Route
from worker.devbroker.ports import free_ports

SOON_S = 0.3


@pytest.fixture
def echo() -> Iterator[tuple[str, int]]:
    """A server that sends back what it gets."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer(connection: socket.socket) -> None:
            with closing(connection):
                try:
                    while data := connection.recv(4096):
                        connection.sendall(data)
                except OSError:
                    return

        def serve() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                threading.Thread(target=answer, args=[connection], daemon=True).start()

        threading.Thread(target=serve, daemon=True).start()
        yield server.getsockname()


@pytest.fixture
def route(echo: tuple[str, int]) -> Iterator[Route]:
    (port,) = free_ports(1)
    with Proxy({1: (("127.0.0.1", port), echo)}) as proxy:
        yield proxy.routes[1]


def connect(route: Route) -> socket.socket:
    return socket.create_connection(route.listens, timeout=10)


def said(connection: socket.socket, words: bytes) -> bytes:
    """What comes back within a moment; nothing: b""."""
    connection.sendall(words)
    connection.settimeout(SOON_S)
    try:
        return connection.recv(4096)
    except TimeoutError:
        return b""
    finally:
        connection.settimeout(10)


def is_reset(route: Route) -> bool:
    """Whether a new connection is reset instead of being closed or kept."""
    try:
        with connect(route) as connection:
            connection.recv(4096)
    except ConnectionError:
        return True
    return False


def test_bytes_pass(route: Route) -> None:
    """In both directions, as long as nothing is done to them."""
    with connect(route) as connection:
        assert said(connection, b"hello") == b"hello"


def test_a_stall_holds_bytes_back_and_a_pass_delivers_them(route: Route) -> None:
    """Nothing is lost on the way."""
    with connect(route) as connection:
        said(connection, b"warm")
        route.behave(Mode.STALL)

        during = said(connection, b"held")
        route.behave(Mode.PASS)

        assert during == b""
        assert connection.recv(4096) == b"held"


def test_what_is_swallowed_never_arrives(route: Route) -> None:
    """The connection stays open, and deaf for ever; a new one works."""
    with connect(route) as connection:
        said(connection, b"warm")
        route.behave(Mode.SWALLOW)
        said(connection, b"gone")
        route.behave(Mode.PASS)

        assert said(connection, b"also gone") == b""
    with connect(route) as another:
        assert said(another, b"hello") == b"hello"


def test_a_cut_resets_open_connections(route: Route) -> None:
    """The client sees a reset, not an end."""
    with connect(route) as connection:
        said(connection, b"warm")

        route.cut()

        with pytest.raises(ConnectionResetError):
            connection.recv(4096)


def test_refused_connections_are_reset(route: Route) -> None:
    """At once, without a word from the other side."""
    route.behave(Mode.REFUSE)

    assert is_reset(route)


def test_a_delay_is_both_ways(route: Route) -> None:
    """The answer comes, but not within a moment."""
    with connect(route) as connection:
        route.behave(Mode.DELAY, delay_s=SOON_S)

        assert said(connection, b"hello") == b""
        assert connection.recv(4096) == b"hello"


def test_without_the_other_side_connections_are_reset() -> None:
    """As when a broker is down behind a load balancer."""
    listens, nobody = free_ports(2)

    with Proxy({1: (("127.0.0.1", listens), ("127.0.0.1", nobody))}) as proxy:
        assert is_reset(proxy.routes[1])
