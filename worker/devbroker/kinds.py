"""What every development broker offers, whatever it is made of."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import ClassVar, Self

from worker.errors import EmostreamError

Report = Callable[[str], None]
"""Takes one line for the user: what is being done, or why a kind was refused."""


class DevBrokerUnavailable(EmostreamError):
    """This kind of development broker cannot run here; the message says why and what to do."""


class PrerequisiteMissing(DevBrokerUnavailable):
    """What this kind is made of is not on the machine (Java, Maven, Docker, a package) and could not be fetched."""


class DevBroker(ABC):
    """A running broker that belongs to whoever started it: nothing of it is left after `close`."""

    kind: ClassVar[str]
    """`docker`, `jvm`, `embedded` or `address`."""
    transactional: ClassVar[bool]
    """Whether `delivery: exactly-once` holds on it."""
    api_version: ClassVar[tuple[int, ...] | None] = None
    """The protocol version that kafka-python must be told (and `kafka.api_version` set to); None: it can ask."""

    @property
    @abstractmethod
    def bootstrap_servers(self) -> str:
        """`host:port`, or several separated by commas."""

    @property
    def alive(self) -> bool:
        """False once it ended by itself, where that can be told."""
        return True

    def create_topics(self, partitions: Mapping[str, int]) -> None:
        """Create topics, name to number of partitions, with the replication that is the broker's default."""
        from worker.devbroker.topics import create_topics  # a Kafka client, not needed to start a broker

        create_topics(self.bootstrap_servers, partitions, replication_factor=-1)

    @abstractmethod
    def close(self) -> None:
        """Stop it and remove its data; harmless when repeated. An `address` broker is left as it is."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
