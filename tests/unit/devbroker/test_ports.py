"""Free ports for brokers."""

from __future__ import annotations

import socket

from worker.devbroker.ports import LOWEST, free_ports


def test_ports_are_free_and_different() -> None:
    """Each port can be listened on at once."""
    ports = free_ports(5)

    listeners = [socket.create_server(("127.0.0.1", port)) for port in ports]

    for listener in listeners:
        listener.close()
    assert 5 == len(set(ports))


def test_a_port_somebody_listens_on_is_never_given() -> None:
    """A taken port is passed over, wherever the search starts."""
    (taken,) = free_ports(1)
    with socket.create_server(("127.0.0.1", taken)):
        found = {port for _ in range(20) for port in free_ports(10)}

    assert taken not in found


def test_ports_lie_below_those_of_outgoing_connections() -> None:
    """A client retrying a dead broker must not be given the broker's port as its own."""
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.create_connection(listener.getsockname()) as client:
        ephemeral = client.getsockname()[1]

    assert all(LOWEST <= port < min(ephemeral, 32768) for port in free_ports(10))
