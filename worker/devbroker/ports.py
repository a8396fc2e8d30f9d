"""Free ports on this machine for brokers that may come and go."""

from __future__ import annotations

import random
import socket
from contextlib import ExitStack
from pathlib import Path

LOWEST = 10240
HIGHEST = 32767
EPHEMERAL_RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")


def free_ports(count: int) -> list[int]:
    """That many ports nobody listens on at 127.0.0.1.

    They lie below the range the kernel takes for outgoing connections: otherwise a client that retries a killed broker
    could be given, or even connect to, the very port the broker must come back on.
    """
    top = _below_ephemeral()
    start = random.randrange(LOWEST, top)  # noqa: S311 - spreads processes that start at once, nothing more
    found: list[int] = []
    with ExitStack() as held:
        for step in range(top - LOWEST):
            port = LOWEST + (start - LOWEST + step) % (top - LOWEST)
            if _bind(port, held):
                found.append(port)
            if len(found) == count:
                return found
    raise OSError(f"no {count} free ports between {LOWEST} and {top}")


def _below_ephemeral() -> int:
    try:
        lowest = int(EPHEMERAL_RANGE.read_text().split()[0])
    except OSError:
        lowest = HIGHEST
    return min(HIGHEST, lowest) if lowest > LOWEST + 1000 else HIGHEST


def _bind(port: int, held: ExitStack) -> bool:
    probe = held.enter_context(socket.socket())
    probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        probe.bind(("127.0.0.1", port))
    except OSError:
        return False
    return True
