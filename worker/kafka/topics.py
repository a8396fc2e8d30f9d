"""What the cluster says about topics: whether they are there, what we may do with them, how large a record may be."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from kafka import errors as client
from kafka.admin import ConfigResource, ConfigResourceType, KafkaAdminClient

from worker.errors import BrokerRefused, BrokerUnavailable
from worker.kafka import client_log
from worker.kafka.connection import Connection

REQUEST_TIMEOUT_MS = 10_000
SIZE_LIMIT = "max.message.bytes"


@dataclass(frozen=True, slots=True)
class Topic:
    """One topic as we see it. `operations`: what we may do, None where the broker does not tell."""

    name: str
    partitions: int
    operations: frozenset[str] | None


@contextmanager
def admin_client(connection: Connection) -> Iterator[Any]:
    """A client for questions. Raises the client's own KafkaTimeoutError after BOOTSTRAP_TIMEOUT_MS."""
    client_log.silence()
    admin = KafkaAdminClient(**connection.client_settings(), request_timeout_ms=REQUEST_TIMEOUT_MS)
    try:
        yield admin
    finally:
        admin.close()


def describe(admin: Any, names: Sequence[str]) -> dict[str, Topic]:
    """The topics that exist and that we may know of, by name."""
    found = {}
    for each in admin.describe_topics(list(names)):
        error = client.for_code(each["error_code"])
        if error is client.NoError:
            operations = each.get("authorized_operations")
            found[each["name"]] = Topic(
                each["name"], len(each["partitions"]), frozenset(operations) if operations else None
            )
    return found


def forbidden(admin: Any, names: Sequence[str]) -> list[str]:
    """Those of the topics that the broker will not speak of with us."""
    described = admin.describe_topics(list(names))
    refused = client.TopicAuthorizationFailedError
    return sorted(each["name"] for each in described if client.for_code(each["error_code"]) is refused)


def missing_topics(connection: Connection, names: Sequence[str]) -> list[str]:
    """Those that do not exist, or that we may not know of. Raises BrokerUnavailable."""
    try:
        with admin_client(connection) as admin:
            return sorted(set(names) - set(describe(admin, names)))
    except client.KafkaError as error:
        raise BrokerUnavailable(f"no broker answers at {connection.addresses}") from error


def create(admin: Any, names: Sequence[str], *, partitions: int, replication_factor: int) -> None:
    """Make topics and wait until they can be used. Raises BrokerRefused."""
    wanted = {name: {"num_partitions": partitions, "replication_factor": replication_factor} for name in names}
    try:
        admin.create_topics(wanted, wait_for_metadata=True)
    except client.TopicAlreadyExistsError:
        admin.wait_for_topics(list(names))
    except client.BrokerResponseError as error:
        reason = type(error).__name__.removesuffix("Error")
        raise BrokerRefused(f"the topics {', '.join(names)} cannot be created: {reason}") from error


def size_limits(admin: Any, names: Sequence[str]) -> Mapping[str, int]:
    """max.message.bytes by topic; a topic whose settings we may not read is left out."""
    resources = [ConfigResource(ConfigResourceType.TOPIC, name, {SIZE_LIMIT: None}) for name in names]
    answer = admin.describe_configs(resources, config_filter="all").get("topic", {})
    return {name: int(settings[SIZE_LIMIT]["value"]) for name, settings in answer.items() if SIZE_LIMIT in settings}


def outgoing_limit(connection: Connection, names: Sequence[str]) -> int | None:
    """The strictest max.message.bytes of the topics as it is now; None when the broker does not tell."""
    try:
        with admin_client(connection) as admin:
            return min(size_limits(admin, names).values(), default=None)
    except client.KafkaError:
        return None
