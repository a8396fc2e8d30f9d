"""A broker inside this process, for machines with neither Docker nor Java: librdkafka's mock cluster.

At-least-once only. It acknowledges transactions without keeping them (aborted records are visible, nobody is fenced),
gives every topic four partitions when it is first asked for, and keeps 5 MiB of each partition.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from worker.devbroker.kinds import DevBroker, DevBrokerUnavailable, PrerequisiteMissing, Report

if TYPE_CHECKING:
    from confluent_kafka import Producer

PARTITIONS = 4
ANSWER_TIMEOUT_S = 10.0
WARNING_LOG_LEVEL = 4


class EmbeddedBroker(DevBroker):
    """The mock cluster lives as long as its producer, which nobody produces with."""

    kind = "embedded"
    transactional = False
    api_version = (2, 3)  # the mock's answer to the question about versions is one that kafka-python cannot read

    def __init__(self, producer: Producer) -> None:
        self._producer: Producer | None = producer
        brokers = producer.list_topics(timeout=ANSWER_TIMEOUT_S).brokers.values()
        self._bootstrap_servers = ",".join(f"{broker.host}:{broker.port}" for broker in brokers)

    @classmethod
    def start(cls, *, port: int | None, report: Report) -> EmbeddedBroker:
        """Start it on a port of its own choice; raises DevBrokerUnavailable when asked for another."""
        if port is not None:
            raise DevBrokerUnavailable("the embedded broker cannot take a port: leave it out")
        try:
            from confluent_kafka import Producer
        except ImportError:
            raise PrerequisiteMissing("confluent-kafka is not installed: pip install 'emostream[devbroker]'") from None
        report("the embedded broker is at-least-once only: it keeps no transactions, and everything in memory")
        return cls(
            Producer({"bootstrap.servers": "replaced", "test.mock.num.brokers": 1, "log_level": WARNING_LOG_LEVEL})
        )

    @property
    def bootstrap_servers(self) -> str:
        return self._bootstrap_servers

    def create_topics(self, partitions: Mapping[str, int]) -> None:
        """Create topics by asking for them; other than four partitions are not to be had."""
        if self._producer is None:
            raise DevBrokerUnavailable("the embedded broker is closed")
        for name, count in partitions.items():
            if count != PARTITIONS:
                raise DevBrokerUnavailable(f"the embedded broker gives a topic {PARTITIONS} partitions, not {count}")
            self._producer.list_topics(name, timeout=ANSWER_TIMEOUT_S)

    def close(self) -> None:
        """Forget everything."""
        producer, self._producer = self._producer, None
        if producer is not None:
            producer.close()
