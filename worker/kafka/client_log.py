"""What the client says in its log: kept off the user's terminal, and read for the causes it tells nobody else.

kafka-python turns a wrong password, an unknown authority or a wrong port into the same time-out; the true exception
is only an argument of a record of its logger `kafka.net.manager`.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

CLIENT = logging.getLogger("kafka")
CONNECTIONS = logging.getLogger("kafka.net.manager")


def silence() -> None:
    """Keep the client's log to itself, whatever the root logger does. Its debug level would print message text."""
    CLIENT.propagate = False
    CLIENT.setLevel(logging.WARNING)
    if not CLIENT.handlers:
        CLIENT.addHandler(logging.NullHandler())


class _Causes(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.seen: list[BaseException] = []

    def emit(self, record: logging.LogRecord) -> None:
        arguments = record.args if isinstance(record.args, tuple) else ()
        self.seen.extend(each for each in arguments if isinstance(each, BaseException))


@contextmanager
def connection_failures() -> Iterator[list[BaseException]]:
    """Collect why connections failed while the block runs, of every client in this process."""
    silence()
    causes = _Causes()
    CONNECTIONS.addHandler(causes)
    try:
        yield causes.seen
    finally:
        CONNECTIONS.removeHandler(causes)
