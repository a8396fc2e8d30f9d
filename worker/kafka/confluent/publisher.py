"""The `Publisher` port over confluent-kafka: exactly-once in transactions, or at-least-once with flushes.

A producer that failed in any way is never used again. Publications run on a thread of their own, because
`send_offsets_to_transaction` may block for ever whatever time-out it is given, when its connection is reset. What the
client cannot send, header names that are not UTF-8, goes out with the publisher over kafka-python, under the same
transactional id and the same membership.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace
from typing import cast

import structlog
from confluent_kafka import KafkaError, KafkaException

from worker.clock import Deadline, SystemClock
from worker.errors import BrokerRefused, BrokerUnavailable, EmostreamError, Fenced, OutcomeUnknown, PublishFailed
from worker.kafka import publisher as other_client
from worker.kafka.attempt import Attempt
from worker.kafka.calls import Call
from worker.kafka.causes import permission
from worker.kafka.confluent.faults import (
    LIKE_A_MISSING_TOPIC,
    STALE_MEMBER,
    STALE_PRODUCER,
    TOO_LARGE,
    as_protocol_error,
    fault_of,
)
from worker.kafka.confluent.membership import for_the_other_client
from worker.kafka.confluent.producer import ANSWERED_WITHIN_S, HeaderNames, Sender
from worker.kafka.connection import Connection
from worker.kafka.encoding import record_size
from worker.kafka.membership import Identity
from worker.kafka.producer import MAX_BLOCK_MS, REOPEN_EVERY_S, REOPEN_FOR_S, ProducerSettings
from worker.kafka.slots import TransactionalIdSlot
from worker.kafka.topics import missing_topics, outgoing_limit
from worker.ports import Publisher
from worker.records import Header, Publication

log = structlog.get_logger(__name__)

CLOSE_OTHER_TIMEOUT_S = 5.0
# later than the client should have ended a call that waits for one answer
BLOCKED_AFTER_S = ANSWERED_WITHIN_S + 1
REOPENING_STUCK_AFTER_S = 30.0


class ConfluentPublisher:
    """What both ways share: one producer at a time, everything under one deadline."""

    def __init__(
        self,
        connection: Connection,
        settings: ProducerSettings,
        *,
        group_id: str,
        deadline_s: float = other_client.DEADLINE_S,
    ) -> None:
        self._connection = connection
        self._settings = settings
        self._group_id = group_id
        self._deadline_s = deadline_s
        self._clock = SystemClock()
        self._names = HeaderNames()
        self._sender: Sender | None = None

    def publish(self, publication: Publication) -> None:
        if not self._names.suit(publication.outgoing):
            self._publish_with_the_other_client(publication)
            return
        attempt = Attempt(lambda running: self._run(running, publication), producer=self._sender)
        in_time = attempt.run(self._deadline_s)
        if in_time and attempt.error is None:
            self._sender = attempt.producer
            return
        self._sender = None
        if attempt.producer is not None:
            attempt.producer.give_up(busy=not in_time)
        failure = self._translated(attempt, in_time=in_time)
        if not isinstance(failure, BrokerRefused):
            self._recover()
        raise failure from attempt.error

    def fits(self, *, key: bytes | None, value: bytes | None, headers: Sequence[Header]) -> bool:
        return record_size(key=key, value=value, headers=headers) <= self._settings.max_message_bytes

    def close(self, *, timeout_s: float) -> None:
        if self._sender is not None:
            sender, self._sender = self._sender, None
            sender.close(timeout_s=timeout_s)

    def _work(self, attempt: Attempt, publication: Publication, deadline: Deadline) -> None:
        raise NotImplementedError

    def _run(self, attempt: Attempt, publication: Publication) -> None:
        try:
            self._work(attempt, publication, Deadline.after(self._deadline_s, self._clock))
        finally:
            if attempt.producer is not None:
                attempt.producer.ended()

    def _other(self) -> Publisher:
        raise NotImplementedError

    def _recover(self) -> None:
        """Called after a failure, before anybody reads the committed offsets."""

    @property
    def _transactional_id(self) -> str | None:
        return None

    def _publish_with_the_other_client(self, publication: Publication) -> None:
        log.info("publisher.other_client", reason="a header name is not UTF-8")
        if self._sender is not None:
            self._sender.give_up(busy=False)
            self._sender = None
        membership = publication.membership
        identity = Identity(membership.generation, membership.member_id)
        snapshot = for_the_other_client(self._group_id, identity)
        other = self._other()
        try:
            other.publish(replace(publication, membership=replace(membership, snapshot=snapshot)))
        finally:
            other.close(timeout_s=CLOSE_OTHER_TIMEOUT_S)

    def _learn(self, fault: KafkaError | None) -> None:
        """A topic accepts less than it did at the start: from now on `fits` says so, else the wave would never pass."""
        if fault is None or fault.code() not in TOO_LARGE:
            return
        known = outgoing_limit(self._connection, self._topics)
        limit = self._settings.max_message_bytes // 2 if known is None else known
        log.warning("publisher.size_limit", before=self._settings.max_message_bytes, now=limit)
        self._settings = replace(self._settings, max_message_bytes=limit)

    def _translated(self, attempt: Attempt, *, in_time: bool) -> EmostreamError:
        fault = _fault(attempt) if in_time else None
        self._learn(fault)
        reason = fault.name() if fault else f"not done after {self._deadline_s:g} s"
        if attempt.committing:
            return OutcomeUnknown(f"the commit may have happened: {reason}")
        if in_time and isinstance(attempt.error, EmostreamError):
            return attempt.error
        if fault is not None and fault.code() in STALE_PRODUCER:
            return Fenced("another producer uses our transactional id")
        if fault is not None and fault.code() in STALE_MEMBER:
            return Fenced("the group has given our partitions to another member")
        return self._refused(fault) or PublishFailed(f"nothing was published: {reason}")

    def _refused(self, fault: KafkaError | None) -> BrokerRefused | None:
        """Whether trying on is pointless. A deleted topic may show as a time-out only."""
        if fault is not None and fault.code() not in LIKE_A_MISSING_TOPIC:
            error = as_protocol_error(fault)
            return permission(error, group_id=self._group_id, transactional_id=self._transactional_id)
        try:
            gone = missing_topics(self._connection, self._topics)
        except BrokerUnavailable:
            return None
        return BrokerRefused(f"outgoing topics were deleted or are forbidden now: {', '.join(gone)}") if gone else None

    @property
    def _topics(self) -> list[str]:
        return sorted(set(self._settings.topics.values()))


class ConfluentTransactionalPublisher(ConfluentPublisher):
    """Exactly-once: records and offsets become visible together or not at all (KIP-98, KIP-447)."""

    def __init__(
        self,
        connection: Connection,
        settings: ProducerSettings,
        *,
        group_id: str,
        slot: TransactionalIdSlot,
        deadline_s: float = other_client.DEADLINE_S,
    ) -> None:
        super().__init__(connection, settings, group_id=group_id, deadline_s=deadline_s)
        self._slot = slot
        self._reopening: Reopening | None = None

    def close(self, *, timeout_s: float) -> None:
        super().close(timeout_s=timeout_s)
        self._forget_reopening()

    @property
    def _transactional_id(self) -> str:
        return self._slot.transactional_id

    def _work(self, attempt: Attempt, publication: Publication, deadline: Deadline) -> None:
        sender = self._opened(attempt, deadline)
        sender.begin()
        sender.send_all(publication.outgoing, deadline)
        # while the records are on their way; they count when both are there
        attempt.go_on(within_s=BLOCKED_AFTER_S)
        sender.send_offsets(publication, deadline)
        attempt.go_on(within_s=self._deadline_s)
        sender.flush(deadline)
        attempt.begin_commit(within_s=BLOCKED_AFTER_S)
        sender.commit(deadline)

    def _other(self) -> Publisher:
        self._forget_reopening()
        return other_client.TransactionalPublisher(
            self._connection, self._settings, group_id=self._group_id, slot=self._slot, deadline_s=self._deadline_s
        )

    def _opened(self, attempt: Attempt, deadline: Deadline) -> Sender:
        sender: Sender | None = attempt.producer
        if sender is not None:
            return sender
        if self._reopening is None:
            sender = Sender(self._connection, self._settings, transactional_id=self._transactional_id)
            attempt.adopt(sender)
            sender.initialise(min(deadline.remaining_s, MAX_BLOCK_MS / 1000))
            return sender
        reopening = self._reopening
        if not reopening.wait(deadline.remaining_s):
            if reopening.stuck:
                self._forget_reopening()
            raise PublishFailed(f"nothing was published: no producer after {self._deadline_s:g} s")
        self._reopening = None
        attempt.adopt(reopening.result())
        return reopening.result()

    def _recover(self) -> None:
        """Begin to open another producer, which ends the transaction of the failed one as soon as it can: until then
        the group's offsets that stand in it cannot be read."""
        if self._reopening is None:
            self._reopening = Reopening(self._connection, self._settings, self._transactional_id)

    def _forget_reopening(self) -> None:
        if self._reopening is not None:
            reopening, self._reopening = self._reopening, None
            reopening.abandon()

    def _translated(self, attempt: Attempt, *, in_time: bool) -> EmostreamError:
        fault = _fault(attempt)
        if fault is not None and fault.code() in STALE_PRODUCER:
            self._slot.renew()
        return super()._translated(attempt, in_time=in_time)


class ConfluentFlushingPublisher(ConfluentPublisher):
    """At-least-once: returns when every record is durable; the source commits the offsets afterwards."""

    def _work(self, attempt: Attempt, publication: Publication, deadline: Deadline) -> None:
        if attempt.producer is None:
            attempt.adopt(Sender(self._connection, self._settings, transactional_id=None))
        attempt.producer.send_all(publication.outgoing, deadline)
        attempt.producer.flush(deadline)

    def _other(self) -> Publisher:
        return other_client.FlushingPublisher(
            self._connection, self._settings, group_id=self._group_id, deadline_s=self._deadline_s
        )


class Reopening(Call[Sender]):
    """A producer on its way that takes the place of one that failed, however often it must ask."""

    def __init__(self, connection: Connection, settings: ProducerSettings, transactional_id: str) -> None:
        self._unwanted = threading.Event()
        self._due = Deadline.after(REOPENING_STUCK_AFTER_S, SystemClock())
        super().__init__(
            lambda: self._initialised(Sender(connection, settings, transactional_id=transactional_id)),
            name="kafka-reopen",
            too_late=lambda sender: sender.give_up(busy=False),
        )

    @property
    def stuck(self) -> bool:
        """Whether it has taken so long that another one may do better."""
        return self._due.expired

    def abandon(self) -> None:
        self._unwanted.set()
        super().abandon()

    def _initialised(self, sender: Sender) -> Sender:
        deadline = Deadline.after(REOPEN_FOR_S, SystemClock())
        while True:
            try:
                sender.initialise(MAX_BLOCK_MS / 1000)
            except KafkaException as error:
                fault = fault_of(error)
                if fault is None or not fault.retriable() or deadline.expired or self._unwanted.wait(REOPEN_EVERY_S):
                    sender.give_up(busy=False)
                    raise
            else:
                return sender


def _fault(attempt: Attempt) -> KafkaError | None:
    """Why a record was not delivered says more than that some were not."""
    failed = [] if attempt.producer is None else attempt.producer.failed
    if failed:
        return cast(KafkaError, failed[0])
    return None if attempt.error is None else fault_of(attempt.error)
