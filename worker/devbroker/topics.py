"""Making topics, and removing them and groups, on a development broker."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager

from kafka.admin import KafkaAdminClient
from kafka.errors import KafkaError

from worker.errors import BrokerRefused, BrokerUnavailable

BOOTSTRAP_TIMEOUT_MS = 15_000
REQUEST_TIMEOUT_MS = 30_000


def create_topics(
    bootstrap_servers: str,
    partitions: Mapping[str, int],
    *,
    replication_factor: int = 1,
    configs: Mapping[str, str] | None = None,
) -> None:
    """Create topics, name to number of partitions; returns once each partition has a leader.

    Raises BrokerRefused when the broker says no (a topic exists already, too few brokers for the replicas) and
    BrokerUnavailable when it does not answer.
    """
    topics = {
        name: {"num_partitions": count, "replication_factor": replication_factor, "configs": dict(configs or {})}
        for name, count in partitions.items()
    }
    with _admin(bootstrap_servers) as admin:
        try:
            admin.create_topics(topics, wait_for_metadata=True)
        except KafkaError as error:
            raise BrokerRefused(f"the topics {', '.join(topics)} could not be created: {error}") from error


def delete_topics(bootstrap_servers: str, topics: Sequence[str]) -> None:
    """Remove topics with all that is in them. Raises BrokerRefused, BrokerUnavailable."""
    with _admin(bootstrap_servers) as admin:
        try:
            admin.delete_topics(list(topics))
        except KafkaError as error:
            raise BrokerRefused(f"the topics {', '.join(topics)} could not be deleted: {error}") from error


def delete_group(bootstrap_servers: str, group_id: str) -> None:
    """Remove a consumer group and its offsets. Raises BrokerRefused (it has members, say), BrokerUnavailable."""
    with _admin(bootstrap_servers) as admin:
        try:
            outcome = admin.delete_groups([group_id])[group_id]
        except KafkaError as error:
            raise BrokerRefused(f"the group {group_id} could not be deleted: {error}") from error
    if outcome != "OK":
        raise BrokerRefused(f"the group {group_id} could not be deleted: {outcome}")


@contextmanager
def _admin(bootstrap_servers: str) -> Iterator[KafkaAdminClient]:
    try:
        admin = KafkaAdminClient(
            bootstrap_servers=bootstrap_servers.split(","),
            bootstrap_timeout_ms=BOOTSTRAP_TIMEOUT_MS,
            request_timeout_ms=REQUEST_TIMEOUT_MS,
        )
    except KafkaError as error:
        raise BrokerUnavailable(f"no Kafka broker answered at {bootstrap_servers}: {error}") from error
    with closing(admin):
        yield admin
