"""What librdkafka says, which it would write to standard error: into our log, for whoever wants to know more.

The worker's own events say what matters. No message text: its debug contexts, which would print some, are never set.
"""

from __future__ import annotations

import logging
import time

import structlog

log = structlog.get_logger(__name__)

TELL_EVERY_S = 5.0
CLIENT = logging.getLogger("librdkafka")


class _IntoOurs(logging.Handler):
    """Failures as information, one in a while: without brokers there are dozens a second. The rest for debugging."""

    def __init__(self) -> None:
        super().__init__()
        self._told_at = float("-inf")

    def emit(self, record: logging.LogRecord) -> None:
        now = time.monotonic()
        tell = log.debug
        if record.levelno >= logging.WARNING and now - self._told_at >= TELL_EVERY_S:
            self._told_at = now
            tell = log.info
        tell("kafka_client.said", line=record.getMessage())


def client_logger() -> logging.Logger:
    """To be given to every client."""
    if not CLIENT.handlers:
        CLIENT.propagate = False
        CLIENT.setLevel(logging.DEBUG)
        CLIENT.addHandler(_IntoOurs())
    return CLIENT
