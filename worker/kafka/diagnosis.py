"""What a port really speaks, asked directly: for when all that the client learnt is that it was hung up on.

A broker that refuses a login, a mechanism or a protocol closes the connection, and the client loses the answer that
came with it. Sends no credentials.
"""

from __future__ import annotations

import socket
import ssl
import struct
from collections.abc import Iterator
from contextlib import contextmanager

from worker.kafka.connection import Connection

TIMEOUT_S = 3.0
SASL_HANDSHAKE = 17
UNSUPPORTED_MECHANISM = 33
NO_SASL_HERE = 34

SPEAKS_TLS = "the port speaks TLS: set kafka.security.protocol to SSL or SASL_SSL, or use the plaintext port"
NO_TLS = "the port does not speak TLS: set kafka.security.protocol to PLAINTEXT or SASL_PLAINTEXT, or use the TLS port"
WANTS_LOGIN = "the port wants a login: set kafka.security.protocol to {} with sasl_mechanism {}"
NO_LOGIN = "the port does not know logins: set kafka.security.protocol to {}"
NOT_OFFERED = "the broker does not offer the SASL mechanism {}: set kafka.security.sasl_mechanism to {}"


def diagnose(connection: Connection, *, hung_up: bool) -> str | None:
    """What to change, in one line; None when nothing can be told, e.g. because no broker is there.

    `hung_up`: the broker closed our connections; when all else is as it should be, it was the login it refused.
    """
    for server in connection.bootstrap_servers:
        try:
            line = _diagnose(connection, *_address(server), hung_up=hung_up)
        except OSError:  # ssl.SSLError and time-outs too
            continue
        if line is not None:
            return line
    return None


def bad_credentials(connection: Connection) -> str:
    """The line for a login that was refused."""
    return (
        f"the broker refuses the credentials of {connection.security.username}: "
        "check kafka.security.username and password_file"
    )


def _diagnose(connection: Connection, host: str, port: int, *, hung_up: bool) -> str | None:
    security = connection.security
    tls = _speaks_tls(host, port)
    if tls != security.tls:
        return SPEAKS_TLS if tls else NO_TLS
    with _channel(host, port, tls=tls) as channel:
        error, mechanisms = _sasl_handshake(channel, security.sasl_mechanism or "PLAIN")
    if error == NO_SASL_HERE:
        return NO_LOGIN.format("SSL" if tls else "PLAINTEXT") if security.sasl else None
    if not security.sasl:
        return WANTS_LOGIN.format("SASL_SSL" if tls else "SASL_PLAINTEXT", " or ".join(mechanisms))
    if error == UNSUPPORTED_MECHANISM:
        return NOT_OFFERED.format(security.sasl_mechanism, " or ".join(mechanisms))
    return bad_credentials(connection) if error == 0 and hung_up else None


def _speaks_tls(host: str, port: int) -> bool:
    """Raises OSError when nobody listens, or a hung machine does."""
    with socket.create_connection((host, port), TIMEOUT_S) as plain:
        try:
            _any_peer().wrap_socket(plain, server_hostname=host).close()
        except TimeoutError:
            raise
        except ssl.SSLError as error:
            return "ALERT" in (error.reason or "")
        except OSError:
            return False
    return True


@contextmanager
def _channel(host: str, port: int, *, tls: bool) -> Iterator[socket.socket]:
    with socket.create_connection((host, port), TIMEOUT_S) as plain:
        if not tls:
            yield plain
            return
        with _any_peer().wrap_socket(plain, server_hostname=host) as secured:
            yield secured


def _any_peer() -> ssl.SSLContext:
    """Whoever answers is fine: nothing secret is said."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _sasl_handshake(channel: socket.socket, mechanism: str) -> tuple[int, list[str]]:
    """Ask for a mechanism (SaslHandshake, version 1): the error code, and the mechanisms the broker offers."""
    name = mechanism.encode()
    request = struct.pack(">hhih", SASL_HANDSHAKE, 1, 1, -1) + struct.pack(">h", len(name)) + name
    channel.sendall(struct.pack(">i", len(request)) + request)
    (length,) = struct.unpack(">i", _exactly(channel, 4))
    answer = _exactly(channel, min(length, 10_000))
    _, error, count = struct.unpack_from(">ihi", answer)
    return error, list(_strings(answer, start=10, count=count))


def _strings(data: bytes, *, start: int, count: int) -> Iterator[str]:
    for _ in range(count):
        (length,) = struct.unpack_from(">h", data, start)
        yield data[start + 2 : start + 2 + length].decode()
        start += 2 + length


def _exactly(channel: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        part = channel.recv(size - len(data))
        if not part:
            raise ConnectionResetError("the broker hung up")
        data += part
    return data


def _address(server: str) -> tuple[str, int]:
    host, _, port = server.rpartition(":")
    return (host.strip("[]"), int(port)) if host and port.isdigit() else (server.strip("[]"), 9092)
