"""What every development broker offers, whatever it is made of."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import Protocol, Self

from worker.errors import EmostreamError

Report = Callable[[str], None]
"""Takes one line for the user: what is being done, or why a kind was refused."""


class DevBrokerUnavailable(EmostreamError):
    """This kind of development broker cannot run here; the message says why and what to do."""


class PrerequisiteMissing(DevBrokerUnavailable):
    """What this kind is made of is not on the machine (Java, Maven, Docker, a package) and could not be fetched."""


class DevBroker(Protocol):
    """A running broker that belongs to whoever started it: nothing of it is left after `close`."""

    @property
    def kind(self) -> str:
        """`docker`, `jvm`, `embedded` or `address`."""
        ...

    @property
    def bootstrap_servers(self) -> str:
        """`host:port`, or several separated by commas."""
        ...

    @property
    def transactional(self) -> bool:
        """Whether `delivery: exactly-once` holds on it."""
        ...

    def close(self) -> None:
        """Stop it and remove its data; harmless when repeated. An `address` broker is left as it is."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...
