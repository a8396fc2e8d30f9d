"""Which client library works: the adapters over one or the other, by the name that the setting `kafka.client` has."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from worker.clock import Clock
from worker.errors import ConfigError
from worker.kafka.connection import Connection
from worker.kafka.consumer import ConsumerSettings
from worker.kafka.producer import ProducerSettings
from worker.kafka.slots import TransactionalIdSlot
from worker.ports import Publisher, Source


class MakeSource(Protocol):
    """`KafkaSource` and its like."""

    def __call__(
        self, connection: Connection, settings: ConsumerSettings, *, commits: bool, clock: Clock | None = None
    ) -> Source: ...


class MakeTransactional(Protocol):
    """`TransactionalPublisher` and its like."""

    def __call__(
        self, connection: Connection, settings: ProducerSettings, *, group_id: str, slot: TransactionalIdSlot
    ) -> Publisher: ...


class MakeFlushing(Protocol):
    """`FlushingPublisher` and its like."""

    def __call__(self, connection: Connection, settings: ProducerSettings, *, group_id: str) -> Publisher: ...


@dataclass(frozen=True, slots=True)
class Adapters:
    """The ports over one client library."""

    source: MakeSource
    transactional: MakeTransactional
    flushing: MakeFlushing

    def publisher(
        self, connection: Connection, settings: ProducerSettings, *, group_id: str, slot: TransactionalIdSlot | None
    ) -> Publisher:
        """Exactly-once with a slot, else at-least-once."""
        if slot is None:
            return self.flushing(connection, settings, group_id=group_id)
        return self.transactional(connection, settings, group_id=group_id, slot=slot)


def adapters(client: str) -> Adapters:
    """Of kafka-python or confluent-kafka. Raises ConfigError when the latter is not installed."""
    return _confluent_kafka() if client == "confluent-kafka" else _kafka_python()


def _kafka_python() -> Adapters:
    from worker.kafka.publisher import FlushingPublisher, TransactionalPublisher
    from worker.kafka.source import KafkaSource

    return Adapters(KafkaSource, TransactionalPublisher, FlushingPublisher)


def _confluent_kafka() -> Adapters:
    try:
        import confluent_kafka  # noqa: F401 - only whether it is there
    except ImportError as error:
        raise ConfigError("confluent-kafka is not installed: pip install 'emostream[confluent]'") from error
    from worker.kafka.confluent.publisher import ConfluentFlushingPublisher, ConfluentTransactionalPublisher
    from worker.kafka.confluent.source import ConfluentSource

    return Adapters(ConfluentSource, ConfluentTransactionalPublisher, ConfluentFlushingPublisher)
