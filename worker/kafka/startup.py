"""Everything that can be wrong with the cluster is found before the first poll, and said in one line.

The client itself hides the causes (a wrong password is a time-out), reads nothing for ever from a topic it may not
read, and learns of a size limit only when a transaction breaks.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import structlog
from kafka import errors as client
from kafka.admin import KafkaAdminClient

from worker.clock import Clock, Deadline, SystemClock
from worker.errors import BrokerError, BrokerRefused, BrokerUnavailable
from worker.kafka.calls import Call, ended_within
from worker.kafka.causes import explained, hung_up, nobody_there, permission
from worker.kafka.client_log import connection_failures
from worker.kafka.connection import Connection
from worker.kafka.diagnosis import diagnose
from worker.kafka.opening import Opening
from worker.kafka.producer import end_transaction_of
from worker.kafka.topics import Topic, admin_settings, create, describe, group_operations, size_limits

log = structlog.get_logger(__name__)

INFINITY = float("inf")
LOOK_EVERY_S = 1.0
LOOK_TIMEOUT_S = 25.0
REPORT_EVERY_S = 5.0
# about as many connections as fail between two looks: older causes may have passed
KEPT_CAUSES = 5
CLOSE_TIMEOUT_S = 2.0
# what stands around the payload in an event: identity, scores of every label, model, policy, headers, key
EVENT_OVERHEAD_BYTES = 16_384
USUAL_MAX_MESSAGE_BYTES = 1_000_000


@dataclass(frozen=True, slots=True)
class Limits:
    """What the cluster allows. `max_message_bytes`: the strictest of the outgoing topics."""

    max_message_bytes: int


@dataclass(frozen=True, slots=True)
class NewTopics:
    """How missing topics are made; -1 leaves the choice to the broker."""

    partitions: int = -1
    replication_factor: int = -1


@dataclass(frozen=True, slots=True)
class Needs:
    """What the worker needs of the cluster.

    `group_id`: None when nothing is committed; `transactional_id`: None for at-least-once. `create_topics`: None leaves
    missing topics an error. `value_bytes`: the largest payload that must fit into an event.
    """

    input_topics: Sequence[str]
    outgoing_topics: Sequence[str]
    group_id: str | None
    transactional_id: str | None
    value_bytes: int
    create_topics: NewTopics | None = None


def check(connection: Connection, needs: Needs, *, connect_timeout_s: float, clock: Clock | None = None) -> Limits:
    """Wait for the brokers (0: for ever), then see that everything is there and allowed.

    Raises BrokerUnavailable when none answered in time, BrokerRefused when trying again is pointless, ConfigError when
    a file of the security settings cannot be used.
    """
    deadline = Deadline.after(connect_timeout_s or INFINITY, clock or SystemClock())
    admin = _connected(connection, deadline)
    try:
        while True:
            try:
                return _looked(connection, admin, needs)
            except BrokerUnavailable as error:
                _wait_or_give_up(error, deadline)
    finally:
        ended_within(CLOSE_TIMEOUT_S, admin.close, name="kafka-admin-close")


def _connected(connection: Connection, deadline: Deadline) -> Any:
    settings = admin_settings(connection, bootstrap_timeout_ms=None)
    opening = Opening(KafkaAdminClient, settings, close=lambda admin: admin.close())
    with connection_failures() as causes:
        report_at = Deadline.after(REPORT_EVERY_S, deadline.clock)
        while not opening.wait(min(LOOK_EVERY_S, deadline.remaining_s)):
            failure = _failure(connection, causes)
            if deadline.expired or isinstance(failure, BrokerRefused):
                opening.abandon()
                raise failure
            if report_at.expired:
                _report_unreachable(failure, deadline)
                report_at = Deadline.after(REPORT_EVERY_S, deadline.clock)
            del causes[:-KEPT_CAUSES]
    return opening.result()


def _failure(connection: Connection, causes: Sequence[BaseException]) -> BrokerError:
    line = explained(causes, connection)
    if line is None and not nobody_there(causes):
        line = diagnose(connection, hung_up=hung_up(causes))
    if line is not None:
        return BrokerRefused(f"{connection.addresses}: {line}")
    return BrokerUnavailable(f"no broker answers at {connection.addresses}: check kafka.bootstrap_servers")


def _looked(connection: Connection, admin: Any, needs: Needs) -> Limits:
    looking = Call(lambda: _look(connection, admin, needs), name="kafka-startup", too_late=lambda _: None)
    if not looking.wait(LOOK_TIMEOUT_S):
        raise BrokerUnavailable(f"the brokers at {connection.addresses} have stopped answering")
    try:
        return looking.result()
    except client.KafkaError as error:
        refused = permission(error, group_id=needs.group_id or "", transactional_id=needs.transactional_id)
        name = type(error).__name__
        raise refused or BrokerUnavailable(f"the brokers at {connection.addresses} failed: {name}") from error


def _wait_or_give_up(error: BrokerUnavailable, deadline: Deadline) -> None:
    if deadline.expired:
        raise error
    _report_unreachable(error, deadline)
    time.sleep(min(REPORT_EVERY_S, deadline.remaining_s))


def _report_unreachable(error: BrokerError, deadline: Deadline) -> None:
    remaining = deadline.remaining_s
    log.warning(
        "broker.unreachable", error=str(error), giving_up_in_s=None if remaining == INFINITY else round(remaining)
    )


def _look(connection: Connection, admin: Any, needs: Needs) -> Limits:
    found = _existing_topics(admin, needs)
    if connection.api_version is not None:
        # a broker that cannot be asked for its version (the embedded one) cannot be asked for groups or limits either
        return Limits(max(USUAL_MAX_MESSAGE_BYTES, needs.value_bytes + EVENT_OVERHEAD_BYTES))
    problems = [*_unreadable(found, needs), *_unwritable(found, needs), *_group_problems(admin, needs)]
    if problems:
        raise BrokerRefused("; ".join(problems))
    if needs.transactional_id is not None:
        end_transaction_of(connection, needs.transactional_id)
    return _limits(admin, needs)


def _existing_topics(admin: Any, needs: Needs) -> dict[str, Topic]:
    names = sorted({*needs.input_topics, *needs.outgoing_topics})
    found = describe(admin, names)
    absent = [name for name in names if not found[name].exists]
    if absent and needs.create_topics is not None:
        create(admin, absent, needs.create_topics.partitions, needs.create_topics.replication_factor)
        log.info("topics.created", topics=absent)
        found = describe(admin, names)
        absent = [name for name in names if not found[name].exists]
    if absent:
        hidden = [name for name in absent if found[name].forbidden]
        missing = [name for name in absent if not found[name].forbidden]
        raise BrokerRefused("; ".join([*_missing(missing), *_hidden(hidden)]))
    return found


def _missing(names: Sequence[str]) -> list[str]:
    return [f"missing topics: {', '.join(names)}: create them, or set kafka.create_topics to true"] if names else []


def _hidden(names: Sequence[str]) -> list[str]:
    if not names:
        return []
    return [
        f"no permission on, or no such topics: {', '.join(names)}: grant Describe with Read (input) or Write (others)"
    ]


def _unreadable(found: dict[str, Topic], needs: Needs) -> list[str]:
    names = [name for name in needs.input_topics if not found[name].allows("READ")]
    return [f"no permission to read {', '.join(names)}: grant Read on the input topics"] if names else []


def _unwritable(found: dict[str, Topic], needs: Needs) -> list[str]:
    names = sorted({name for name in needs.outgoing_topics if not found[name].allows("WRITE")})
    return [f"no permission to write {', '.join(names)}: grant Write on the outgoing topics"] if names else []


def _group_problems(admin: Any, needs: Needs) -> list[str]:
    if needs.group_id is None:
        return []
    try:
        operations = group_operations(admin, needs.group_id)
    except client.GroupAuthorizationFailedError as error:
        return [str(permission(error, group_id=needs.group_id))]
    if operations is None or "READ" in operations:
        return []
    return [str(permission(client.GroupAuthorizationFailedError(), group_id=needs.group_id))]


def _limits(admin: Any, needs: Needs) -> Limits:
    needed = needs.value_bytes + EVENT_OVERHEAD_BYTES
    names = sorted(set(needs.outgoing_topics))
    if not names:
        return Limits(max(USUAL_MAX_MESSAGE_BYTES, needed))
    limits = size_limits(admin, names)
    unknown = [name for name in names if name not in limits]
    if unknown:
        log.warning("topics.size_unknown", topics=unknown, hint="grant DescribeConfigs on them")
    for name, limit in limits.items():
        if limit < needed:
            raise BrokerRefused(
                f"topic {name}: max.message.bytes is {limit}, but input.max_value_bytes and the event around it need "
                f"{needed}: raise max.message.bytes, or lower input.max_value_bytes"
            )
    return Limits(min([*limits.values(), *([max(USUAL_MAX_MESSAGE_BYTES, needed)] if unknown else [])]))
