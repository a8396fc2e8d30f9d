"""Making a client: its constructor waits for a broker, and leaks threads and sockets when it fails (D27).

The client lets us bring the network part along, so that it can be closed from outside.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any

from kafka.net.compat import KafkaNetClient

from worker.kafka import client_log
from worker.kafka.calls import Call


class _Network:
    """Gives the client its network part and remembers it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._client: Any = None

    def __call__(self, **settings: Any) -> Any:
        client = KafkaNetClient(**settings)
        with self._lock:
            self._client = client
        return client

    def close(self) -> None:
        """Once, whoever of the two threads comes first."""
        with self._lock:
            client, self._client = self._client, None
        if client is not None:
            client.close()


def open_now(make: Callable[..., Any], settings: Mapping[str, Any]) -> Any:
    """Construct a client. Raises the client's own errors, and closes what it leaves behind then."""
    return _construct(make, settings, _Network())


class Opening(Call[Any]):
    """A client under construction on a thread of its own, for as long as it takes."""

    def __init__(
        self, make: Callable[..., Any], settings: Mapping[str, Any], *, close: Callable[[Any], object]
    ) -> None:
        self._network = _Network()
        super().__init__(lambda: _construct(make, settings, self._network), name="kafka-open", too_late=close)

    def abandon(self) -> None:
        super().abandon()
        self._network.close()


def _construct(make: Callable[..., Any], settings: Mapping[str, Any], network: _Network) -> Any:
    client_log.silence()
    try:
        return make(**settings, kafka_client=network)
    except BaseException:
        network.close()
        raise
