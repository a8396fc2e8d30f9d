"""The demo's producer: sends the messages from a thread of its own, and remembers where each one landed."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence

from worker.demo.messages import Message
from worker.demo.outcomes import Place
from worker.devbroker import DevBroker
from worker.errors import BrokerError, ThreadDied

CLOSE_TIMEOUT_S = 5.0


class Sending:
    """Starts at once. `sent` is complete once all is sent; `check` tells of a failure."""

    def __init__(self, broker: DevBroker, topic: str, messages: Sequence[Message]) -> None:
        self.started_at = time.monotonic()
        self.sent: dict[Place, Message] = {}
        self._failure: BrokerError | None = None
        self._stopped = threading.Event()
        self._thread = threading.Thread(
            target=self._send, args=(broker, topic, messages), name="demo-producer", daemon=True
        )
        self._thread.start()

    @property
    def seconds(self) -> float:
        """Since the first message."""
        return time.monotonic() - self.started_at

    def check(self, expected: int) -> None:
        """Raises what stopped the sending before `expected` messages were safe."""
        if self._failure is not None:
            raise self._failure
        if not self._thread.is_alive() and len(self.sent) < expected:
            raise ThreadDied("the demo's producer ended before all messages were sent")

    def close(self) -> None:
        """Send no more; waits for what is on its way."""
        self._stopped.set()
        self._thread.join(CLOSE_TIMEOUT_S)

    def _send(self, broker: DevBroker, topic: str, messages: Sequence[Message]) -> None:
        from worker.devbroker.clients import write

        def records() -> Iterator[tuple[bytes | None, bytes | None]]:
            for message in messages:
                if self._stopped.is_set():
                    return
                yield message.key, message.value

        waiting = iter(messages)
        try:
            for places in write(broker.bootstrap_servers, topic, records(), api_version=broker.api_version):
                self.sent.update((place, next(waiting)) for place in places)
        except BrokerError as error:
            self._failure = error
