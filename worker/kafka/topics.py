"""What the cluster says about topics and groups: whether they are there, what we may do, how large a record may be."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any, TypeVar

from kafka import errors as client
from kafka.admin import ConfigResource, ConfigResourceType, KafkaAdminClient

from worker.errors import BrokerRefused, BrokerUnavailable
from worker.kafka.calls import Call
from worker.kafka.connection import BOOTSTRAP_TIMEOUT_MS, Connection
from worker.kafka.opening import Opening

T = TypeVar("T")

REQUEST_TIMEOUT_MS = 10_000
ASK_TIMEOUT_S = 6.0
COORDINATOR_TRIES = 50
COORDINATOR_RETRY_S = 0.1
SIZE_LIMIT = "max.message.bytes"


@dataclass(frozen=True, slots=True)
class Topic:
    """One topic as we see it. `forbidden`: the broker does not speak of it with us, whether it exists or not.

    `operations`: what we may do, None where the broker does not tell.
    """

    exists: bool
    forbidden: bool
    operations: frozenset[str] | None

    def allows(self, operation: str) -> bool:
        """True also where the broker does not tell."""
        return self.operations is None or operation in self.operations


def admin_settings(
    connection: Connection, *, bootstrap_timeout_ms: int | None = BOOTSTRAP_TIMEOUT_MS
) -> dict[str, Any]:
    """Of a client for questions."""
    settings = connection.client_settings(bootstrap_timeout_ms=bootstrap_timeout_ms)
    return {**settings, "request_timeout_ms": REQUEST_TIMEOUT_MS}


def describe(admin: Any, names: Sequence[str]) -> dict[str, Topic]:
    """Every one of the topics, by name. Raises the client's errors."""
    return {each["name"]: _topic(each) for each in admin.describe_topics(list(names))}


def ask(connection: Connection, question: Callable[[Any], T]) -> T:
    """Put a question to a client made for it. Raises BrokerUnavailable when there is no answer in a few seconds."""
    opening = Opening(KafkaAdminClient, admin_settings(connection), close=lambda admin: admin.close())
    if not opening.wait(ASK_TIMEOUT_S):
        opening.abandon()
        raise BrokerUnavailable(f"no broker answers at {connection.addresses}")
    try:
        asking = Call(lambda: _answer(opening.result(), question), name="kafka-ask", too_late=lambda _: None)
        if not asking.wait(ASK_TIMEOUT_S):
            raise BrokerUnavailable(f"the brokers at {connection.addresses} have stopped answering")
        return asking.result()
    except client.KafkaError as error:
        raise BrokerUnavailable(f"the brokers at {connection.addresses} failed: {type(error).__name__}") from error


def _answer(admin: Any, question: Callable[[Any], T]) -> T:
    with closing(admin):
        return question(admin)


def missing_topics(connection: Connection, names: Sequence[str]) -> list[str]:
    """Those that do not exist, or that we may not know of. Raises BrokerUnavailable."""
    found = ask(connection, lambda admin: describe(admin, names))
    return [name for name in names if name in found and not found[name].exists]


def create(admin: Any, names: Sequence[str], partitions: int, replication_factor: int) -> None:
    """Make topics and wait until they can be used; -1 leaves a number to the broker. Raises BrokerRefused."""
    each = {"num_partitions": partitions, "replication_factor": replication_factor}
    try:
        admin.create_topics(dict.fromkeys(names, each), wait_for_metadata=True)
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
    """The strictest max.message.bytes of the topics as it is now; None when the brokers do not tell."""
    try:
        return min(ask(connection, lambda admin: size_limits(admin, names)).values(), default=None)
    except BrokerUnavailable:
        return None


def group_operations(admin: Any, group_id: str) -> frozenset[str] | None:
    """What we may do with a consumer group, None where the broker does not tell. Raises the client's errors."""
    for remaining in reversed(range(COORDINATOR_TRIES)):
        try:
            operations = admin.describe_groups([group_id])[group_id].get("authorized_operations")
        except client.CoordinatorNotAvailableError:
            # a new cluster makes its offsets topic when it is first asked
            if not remaining:
                raise
            time.sleep(COORDINATOR_RETRY_S)
        else:
            return frozenset(operations) if operations else None
    return None


def _topic(described: Mapping[str, Any]) -> Topic:
    error = client.for_code(described["error_code"])
    operations = described.get("authorized_operations")
    return Topic(
        exists=error not in (client.UnknownTopicOrPartitionError, client.TopicAuthorizationFailedError),
        forbidden=error is client.TopicAuthorizationFailedError,
        operations=frozenset(operations) if operations else None,
    )
