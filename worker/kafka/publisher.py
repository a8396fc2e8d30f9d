"""The `Publisher` port over kafka-python: exactly-once in transactions, or at-least-once with flushes.

A producer that failed in any way is never used again: its next transaction would commit offsets of the failed one
(D22) or be refused (D6, D7). The next publication opens a new one inside its own deadline.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Generic, TypeVar

import structlog
from kafka import errors as client
from kafka.structs import OffsetAndMetadata
from kafka.structs import TopicPartition as ClientPartition

from worker.errors import BrokerRefused, BrokerUnavailable, EmostreamError, Fenced, OutcomeUnknown, PublishFailed
from worker.kafka.attempt import Abandoned, Attempt
from worker.kafka.calls import Call
from worker.kafka.causes import permission
from worker.kafka.connection import Connection
from worker.kafka.encoding import record_size
from worker.kafka.producer import (
    REQUEST_TIMEOUT_MS,
    ProducerSettings,
    close,
    discard,
    flush_all,
    open_producer,
    reopening_producer,
    send_all,
)
from worker.kafka.slots import TransactionalIdSlot
from worker.kafka.topics import missing_topics, outgoing_limit
from worker.records import Header, Publication

log = structlog.get_logger(__name__)

Job = TypeVar("Job")

DEADLINE_S = 20.0
# of the calls that wait for one answer: it never comes when the coordinator was killed meanwhile (D3)
ANSWERED_WITHIN_S = REQUEST_TIMEOUT_MS / 1000 + 1

STALE_MEMBER = (
    client.CommitFailedError,
    client.IllegalGenerationError,
    client.UnknownMemberIdError,
    client.FencedInstanceIdError,
)
STALE_PRODUCER = (client.ProducerFencedError, client.InvalidProducerEpochError)
TOO_LARGE = (client.MessageSizeTooLargeError, client.RecordListTooLargeError)
LIKE_A_MISSING_TOPIC = (client.KafkaTimeoutError, client.UnknownTopicOrPartitionError)


class GuardedPublisher(Generic[Job]):
    """What all ways share: one producer, one attempt at a time, everything under one deadline. `Job`: what is sent."""

    def __init__(
        self, connection: Connection, settings: ProducerSettings, *, group_id: str, deadline_s: float = DEADLINE_S
    ) -> None:
        self._connection = connection
        self._settings = settings
        self._group_id = group_id
        self._deadline_s = deadline_s
        self._producer: Any = None

    def publish(self, publication: Job) -> None:
        attempt = Attempt(lambda running: self._work(running, publication), producer=self._producer)
        in_time = attempt.run(self._deadline_s)
        if in_time and attempt.error is None:
            self._producer = attempt.producer
            return
        self._producer = None
        if attempt.producer is not None:
            discard(attempt.producer)
        self._learn(attempt.error)
        failure = self._translated(attempt, in_time=in_time)
        if not isinstance(failure, BrokerRefused):
            self._recover()
        raise failure from attempt.error

    def fits(self, *, key: bytes | None, value: bytes | None, headers: Sequence[Header]) -> bool:
        return record_size(key=key, value=value, headers=headers) <= self._settings.max_message_bytes

    def close(self, *, timeout_s: float) -> None:
        if self._producer is not None:
            producer, self._producer = self._producer, None
            close(producer, timeout_s=timeout_s)

    def _work(self, attempt: Attempt, publication: Job) -> None:
        raise NotImplementedError

    def _recover(self) -> None:
        """Called after a failure, before anybody reads the committed offsets."""

    @property
    def _transactional_id(self) -> str | None:
        return None

    def _opened(self, attempt: Attempt) -> Any:
        if attempt.producer is None:
            producer = open_producer(self._connection, self._settings, transactional_id=self._transactional_id)
            try:
                attempt.adopt(producer)
            except Abandoned:
                # too late: nobody else knows of it
                discard(producer)
                raise
            if self._transactional_id is not None:
                producer.init_transactions()
        return attempt.producer

    def _learn(self, error: BaseException | None) -> None:
        """A topic accepts less than it did at the start: from now on `fits` says so, else the wave would never pass."""
        if not isinstance(error, TOO_LARGE):
            return
        known = outgoing_limit(self._connection, self._topics)
        limit = self._settings.max_message_bytes // 2 if known is None else known
        log.warning("publisher.size_limit", before=self._settings.max_message_bytes, now=limit)
        self._settings = replace(self._settings, max_message_bytes=limit)

    def _translated(self, attempt: Attempt, *, in_time: bool) -> EmostreamError:
        error = attempt.error if in_time else None
        reason = f"not done after {self._deadline_s:g} s" if error is None else type(error).__name__
        if attempt.committing:
            return OutcomeUnknown(f"the commit may have happened: {reason}")
        if isinstance(error, EmostreamError):
            return error
        if error is not None and is_stale_producer(error):
            return Fenced("another producer uses our transactional id")
        if isinstance(error, STALE_MEMBER):
            return Fenced("the group has given our partitions to another member")
        return self._refused(error) or PublishFailed(f"nothing was published: {reason}")

    def _refused(self, error: BaseException | None) -> BrokerRefused | None:
        """Whether trying on is pointless. A deleted topic shows as a time-out only (D12)."""
        if error is not None and not isinstance(error, LIKE_A_MISSING_TOPIC):
            return permission(error, group_id=self._group_id, transactional_id=self._transactional_id)
        try:
            gone = missing_topics(self._connection, self._topics)
        except BrokerUnavailable:
            return None
        return BrokerRefused(f"outgoing topics were deleted or are forbidden now: {', '.join(gone)}") if gone else None

    @property
    def _topics(self) -> list[str]:
        return sorted(set(self._settings.topics.values()))


class TransactionalPublisher(GuardedPublisher[Publication]):
    """Exactly-once: records and offsets become visible together or not at all (KIP-98, KIP-447)."""

    def __init__(
        self,
        connection: Connection,
        settings: ProducerSettings,
        *,
        group_id: str,
        slot: TransactionalIdSlot,
        deadline_s: float = DEADLINE_S,
    ) -> None:
        super().__init__(connection, settings, group_id=group_id, deadline_s=deadline_s)
        self._slot = slot
        self._reopening: Call[Any] | None = None

    def close(self, *, timeout_s: float) -> None:
        super().close(timeout_s=timeout_s)
        if self._reopening is not None:
            self._reopening.abandon()

    @property
    def _transactional_id(self) -> str:
        return self._slot.transactional_id

    def _work(self, attempt: Attempt, publication: Publication) -> None:
        producer = self._opened(attempt)
        producer.begin_transaction()
        futures = send_all(producer, self._settings.topics, publication.outgoing)
        flush_all(producer, futures)
        attempt.go_on(within_s=ANSWERED_WITHIN_S)
        producer.send_offsets_to_transaction(_client_offsets(publication), publication.membership.snapshot)
        attempt.begin_commit(within_s=ANSWERED_WITHIN_S)
        producer.commit_transaction()

    def _opened(self, attempt: Attempt) -> Any:
        if self._reopening is None or attempt.producer is not None:
            return super()._opened(attempt)
        self._reopening.wait(self._deadline_s)
        attempt.go_on(within_s=self._deadline_s)
        attempt.adopt(self._reopening.result())
        return attempt.producer

    def _recover(self) -> None:
        if self._reopening is not None:
            if not self._reopening.wait(0):
                return
            self._reopening.abandon()
        self._reopening = reopening_producer(self._connection, self._settings, transactional_id=self._transactional_id)

    def _translated(self, attempt: Attempt, *, in_time: bool) -> EmostreamError:
        if attempt.error is not None and is_stale_producer(attempt.error):
            self._slot.renew()
        return super()._translated(attempt, in_time=in_time)


class FlushingPublisher(GuardedPublisher[Publication]):
    """At-least-once: returns when every record is durable; the source commits the offsets afterwards."""

    def _work(self, attempt: Attempt, publication: Publication) -> None:
        producer = self._opened(attempt)
        futures = send_all(producer, self._settings.topics, publication.outgoing)
        flush_all(producer, futures)


def _client_offsets(publication: Publication) -> dict[ClientPartition, OffsetAndMetadata]:
    return {
        ClientPartition(*partition): OffsetAndMetadata(offset, publication.note, -1)
        for partition, offset in publication.offsets.items()
    }


def is_stale_producer(error: BaseException) -> bool:
    """The client also wraps the cause in an exception of its own, as an argument or as text."""
    causes = [error, *(each for each in error.args if isinstance(each, BaseException))]
    return any(isinstance(cause, STALE_PRODUCER) for cause in causes) or "ProducerFencedError" in str(error)
