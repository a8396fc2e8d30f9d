"""The `Source` port over kafka-python: polls, holds, rewinds; knows nothing of waves or publishing.

What is handed out is exactly the log from the committed offset on, under one membership, until `Polled.rebalanced`.
Then every partition is held (paused) until `rewind`, and each goes on from its committed offset as soon as the brokers
tell it. Back-pressure (`pause`, `resume`) is kept apart from holding: a partition flows when neither stops it.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable, Mapping
from typing import Any

import structlog
from kafka.errors import KafkaConnectionError, KafkaError
from kafka.structs import OffsetAndMetadata
from kafka.structs import TopicPartition as ClientPartition

from worker.clock import Clock, Deadline, SystemClock
from worker.errors import BrokerUnavailable
from worker.kafka.client_defects import keep_finished_join, knows_coordinator, restore_parked_records
from worker.kafka.connection import Connection
from worker.kafka.consumer import ConsumerSettings, RebalanceFlag, leave, opening_consumer, record_of
from worker.kafka.membership import Identity, stable_identity
from worker.kafka.opening import Opening
from worker.kafka.progress import GroupProgress
from worker.kafka.refusal import RefusalWatch
from worker.kafka.settling import Unsettled, next_start
from worker.kafka.watchdog import StuckWatch
from worker.ports import Polled
from worker.records import Membership, Offsets, Publication, Record, TopicPartition

log = structlog.get_logger(__name__)

JOINING_POLL_MS = 1_000
SETTLING_POLL_MS = 20
SHORTEST_POLL_MS = 5
SETTLE_BUDGET_S = 0.5
FAILURES_BEFORE_NEW_CONSUMER = 20
# without brokers a new consumer is no better, and its join waits until the session of the old one has ended
LOST_CONNECTIONS_BEFORE_NEW_CONSUMER = 300
LONGEST_BACKOFF_S = 1.0
COMMIT_TIMEOUT_MS = 5_000
OPEN_TIMEOUT_S = 10.0
COMPLAIN_EVERY_S = 5.0
END_OFFSETS_TIMEOUT_MS = 10_000
POSITION_TIMEOUT_MS = 300


class KafkaSource:
    """One member of the consumer group. `commits`: acknowledged offsets are committed here (at-least-once).

    Makes no connection before the first call that needs one.
    """

    def __init__(
        self, connection: Connection, settings: ConsumerSettings, *, commits: bool, clock: Clock | None = None
    ) -> None:
        self._connection = connection
        self._settings = settings
        self._commits = commits
        self._clock = clock or SystemClock()
        self._consumer: Any = None
        self._opening: Opening | None = None
        self._complained_at = self._clock.monotonic()
        self._failure_told_at = float("-inf")
        self._flag = RebalanceFlag()
        self._identity: Identity | None = None
        self._paused = False
        self._awaiting_rewind = True
        self._handed_out = False
        self._unsettled: deque[ClientPartition] = deque()
        self._next: dict[ClientPartition, int] = {}
        self._durable: dict[ClientPartition, int] = {}
        self._notes: dict[ClientPartition, str] = {}
        self._failures = 0
        self._stuck = StuckWatch()
        self._refusals = RefusalWatch(connection, settings.topics, settings.group_id, self._clock)
        self._progress = GroupProgress(connection, self._clock)

    def poll(self, *, timeout_s: float) -> Polled:
        self._refusals.check()
        consumer = self._opened(timeout_s)
        if consumer is None:
            return Polled()
        before = consumer.group_metadata()
        restore_parked_records(consumer)
        keep_finished_join(consumer)
        try:
            batches = consumer.poll(timeout_ms=self._patience_ms(before, timeout_s))
        except Exception as error:  # noqa: BLE001 - the client's own bugs come out of here as anything
            return self._survive(error)
        self._failures = 0
        return self._judge(consumer, before, batches)

    def pause(self) -> None:
        if not self._paused:
            self._paused = True
            self._let_flow()

    def resume(self) -> None:
        if self._paused:
            self._paused = False
            self._let_flow()

    def rewind(self) -> None:
        self._awaiting_rewind = False
        self._start_over()

    def acknowledge(self, publication: Publication) -> None:
        if not self._commits or self._commit(publication):
            for partition, offset in publication.offsets.items():
                if partition in self._durable:
                    self._durable[ClientPartition(*partition)] = offset

    def notes(self) -> Mapping[TopicPartition, str]:
        return {TopicPartition(*partition): note for partition, note in self._notes.items()}

    def joined(self) -> bool:
        if self._consumer is None or self._failures:
            return False
        return knows_coordinator(self._consumer) and stable_identity(self._consumer.group_metadata()) is not None

    def assignment(self) -> frozenset[TopicPartition]:
        owned = () if self._consumer is None else self._consumer.assignment()
        return frozenset(TopicPartition(*partition) for partition in owned)

    def lag(self) -> Mapping[TopicPartition, int]:
        return {TopicPartition(*partition): end - self._next[partition] for partition, end in self._known_ends()}

    def end_offsets(self) -> Offsets:
        consumer = self._opened(OPEN_TIMEOUT_S)
        if consumer is None:
            raise BrokerUnavailable(f"no broker answers at {self._connection.addresses}")
        try:
            partitions = [
                ClientPartition(topic, number)
                for topic in self._settings.topics
                for number in consumer.partitions_for_topic(topic)
            ]
            ends = consumer.end_offsets(partitions, timeout_ms=END_OFFSETS_TIMEOUT_MS)
        except KafkaError as error:
            raise BrokerUnavailable(f"the ends of the input topics cannot be read: {type(error).__name__}") from error
        return {TopicPartition(*partition): offset for partition, offset in ends.items()}

    def caught_up(self, ends: Offsets) -> bool:
        if self._consumer is None or self._identity is None or self._awaiting_rewind or self._unsettled:
            return False
        others = {}
        for partition, end in ends.items():
            owned = ClientPartition(*partition)
            if owned not in self._next:
                others[owned] = end
            elif not self._finished(owned, end):
                return False
        return self._progress.reached(self._consumer, others)

    def close(self, *, timeout_s: float) -> None:
        self._progress.close()
        if self._opening is not None:
            self._opening.abandon()
        if self._consumer is not None:
            consumer, self._consumer = self._consumer, None
            leave(consumer).wait(timeout_s)

    def _opened(self, timeout_s: float) -> Any:
        """The consumer; None while no broker answers."""
        if self._consumer is not None:
            return self._consumer
        if self._opening is None:
            self._opening = opening_consumer(self._connection, self._settings)
        if not self._opening.wait(timeout_s):
            self._complain()
            return None
        opening, self._opening = self._opening, None
        self._flag = RebalanceFlag()
        self._consumer = opening.result()
        self._consumer.subscribe(topics=list(self._settings.topics), listener=self._flag)
        return self._consumer

    def _complain(self) -> None:
        now = self._clock.monotonic()
        if now - self._complained_at >= COMPLAIN_EVERY_S:
            self._complained_at = now
            log.warning("broker.unreachable", addresses=self._connection.addresses)

    def _patience_ms(self, membership: Any, timeout_s: float) -> int:
        """How long the client may take: shorter polls never join a group and keep it rebalancing for ever (D8)."""
        if stable_identity(membership) is None:
            return JOINING_POLL_MS
        if self._unsettled and not self._awaiting_rewind:
            return SETTLING_POLL_MS
        return max(SHORTEST_POLL_MS, round(timeout_s * 1000))

    def _judge(self, consumer: Any, before: Any, batches: Mapping[ClientPartition, Iterable[Any]]) -> Polled:
        """Decide what the poll was worth. Records that are not handed out are read again, never dropped."""
        identity = stable_identity(consumer.group_metadata())
        if self._flag.raised or (identity is not None and identity != self._identity):
            return self._moved(identity)
        if identity is None or identity != stable_identity(before) or self._awaiting_rewind:
            self._unsettle(batches)
            return Polled()
        records = self._take(batches)
        self._settle(consumer)
        if self._watch(consumer, batches):
            return self._replaced()
        return Polled(records, Membership(identity.generation, identity.member_id, before))

    def _moved(self, identity: Identity | None) -> Polled:
        if self._identity is not None:
            self._refusals.look()
        self._flag.raised = False
        self._identity = identity
        return self._hold()

    def _hold(self) -> Polled:
        self._awaiting_rewind = True
        self._start_over()
        return Polled(rebalanced=True)

    def _start_over(self) -> Polled:
        """Each partition goes on from its committed offset; enough while nothing was handed out."""
        self._handed_out = False
        self._unsettle_all()
        return Polled()

    def _unsettle_all(self) -> None:
        self._next.clear()
        self._durable.clear()
        self._notes.clear()
        self._unsettled = deque(sorted(() if self._consumer is None else self._consumer.assignment()))
        self._let_flow()

    def _unsettle(self, partitions: Iterable[ClientPartition]) -> None:
        for partition in partitions:
            if self._next.pop(partition, None) is not None:
                self._unsettled.append(partition)
        self._let_flow()

    def _let_flow(self) -> None:
        """Pause what is held or under back-pressure, resume the rest."""
        self._stuck.forgive()
        if self._consumer is None:
            return
        for partition in self._consumer.assignment():
            if self._paused or self._awaiting_rewind or partition not in self._next:
                self._consumer.pause(partition)
            else:
                self._consumer.resume(partition)

    def _take(self, batches: Mapping[ClientPartition, Iterable[Any]]) -> list[Record]:
        records: list[Record] = []
        for partition, batch in batches.items():
            if partition in self._next:
                records.extend(record_of(each) for each in batch)
                self._next[partition] = records[-1].offset + 1
        self._handed_out = self._handed_out or bool(records)
        return records

    def _settle(self, consumer: Any) -> None:
        """Find where held partitions go on; those the brokers cannot tell yet wait for the next poll."""
        if not self._unsettled:
            return
        budget = Deadline.after(SETTLE_BUDGET_S, self._clock)
        for _ in range(len(self._unsettled)):
            if budget.expired:
                break
            partition = self._unsettled.popleft()
            try:
                start = next_start(consumer, partition, self._settings.start_from)
            except Unsettled:
                self._unsettled.append(partition)
            except KafkaError as error:
                self._unsettled.append(partition)
                self._note_failure(error)
            else:
                consumer.seek(partition, start.offset)
                self._next[partition] = self._durable[partition] = start.offset
                self._notes[partition] = start.note
        self._let_flow()

    def _survive(self, error: Exception) -> Polled:
        self._note_failure(error)
        time.sleep(min(0.05 * 2 ** min(self._failures, 10), LONGEST_BACKOFF_S))
        lost_connection = isinstance(error, KafkaConnectionError)
        limit = LOST_CONNECTIONS_BEFORE_NEW_CONSUMER if lost_connection else FAILURES_BEFORE_NEW_CONSUMER
        if self._failures >= limit:
            return self._replaced()
        return self._hold() if self._handed_out else self._start_over()

    def _note_failure(self, error: Exception) -> None:
        self._failures += 1
        now = self._clock.monotonic()
        if now - self._failure_told_at >= COMPLAIN_EVERY_S:
            self._failure_told_at = now
            # its text may quote a record
            log.warning("source.poll_failed", error=type(error).__name__, in_a_row=self._failures)
        self._refusals.consider(error)

    def _replaced(self) -> Polled:
        """Start over with a new consumer; the old one leaves the group meanwhile."""
        log.warning("source.new_consumer", topics=list(self._settings.topics))
        consumer, self._consumer = self._consumer, None
        self._failures = 0
        self._identity = None
        leave(consumer)
        return self._hold()

    def _watch(self, consumer: Any, delivered: Iterable[ClientPartition]) -> bool:
        """Whether the client has lost a partition: no end of the world, but only a new consumer reads it again."""
        now = self._clock.monotonic()
        self._stuck.delivered(delivered)
        if self._paused or not self._stuck.due(now):
            return False
        behind = [partition for partition, end in self._known_ends() if self._next[partition] < end]
        return any(self._lost(consumer, partition) for partition in self._stuck.suspects(behind, now))

    def _lost(self, consumer: Any, partition: ClientPartition) -> bool:
        """Behind what is readable, that is, not only behind an open transaction or at its markers."""
        try:
            end = consumer.end_offsets([partition], timeout_ms=END_OFFSETS_TIMEOUT_MS)[partition]
            position = consumer.position(partition, timeout_ms=POSITION_TIMEOUT_MS)
        except KafkaError:
            return False
        if position is None or position >= end:
            return False
        log.error("source.stuck", topic=partition.topic, partition=partition.partition, position=position, end=end)
        return True

    def _known_ends(self) -> list[tuple[ClientPartition, int]]:
        """The log ends that came with the last fetches, of the partitions that are settled."""
        if self._consumer is None:
            return []
        ends = ((partition, self._consumer.highwater(partition)) for partition in self._next)
        return [(partition, max(end, self._next[partition])) for partition, end in ends if end is not None]

    def _commit(self, publication: Publication) -> bool:
        """Under the membership of the records only: a newer one would let us move another member's offsets back."""
        consumer, membership = self._consumer, publication.membership
        if self._identity != (membership.generation, membership.member_id):
            log.warning("source.commit_skipped", reason="rebalanced")
            return False
        offsets = {
            ClientPartition(*partition): OffsetAndMetadata(offset, publication.note, -1)
            for partition, offset in publication.offsets.items()
        }
        try:
            consumer.commit(offsets, timeout_ms=COMMIT_TIMEOUT_MS)
        except KafkaError as error:
            log.warning("source.commit_failed", error=type(error).__name__)
            return False
        return True

    def _finished(self, partition: ClientPartition, end: int) -> bool:
        """Everything handed out is committed, and nothing readable is left before `end`."""
        following = self._next[partition]
        if self._durable[partition] < following:
            return False
        if following >= end:
            return True
        try:
            position = self._consumer.position(partition, timeout_ms=POSITION_TIMEOUT_MS)
        except KafkaError:
            return False
        return position is not None and position >= end
