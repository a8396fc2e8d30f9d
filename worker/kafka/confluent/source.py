"""The `Source` port over confluent-kafka: polls, holds, rewinds; knows nothing of waves or publishing.

It works as the one over kafka-python does: every partition is held (paused) after a rebalance until `rewind`, and goes
on from its committed offset. Back-pressure differs: pausing makes librdkafka forget what it has read ahead, so a
short one only leaves the records with the client.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable, Mapping, Sequence

import structlog
from confluent_kafka import KafkaError, KafkaException, Message

from worker.clock import Clock, Deadline, SystemClock
from worker.kafka.confluent.consumer import Member
from worker.kafka.confluent.ends import end_offsets
from worker.kafka.confluent.faults import NO_SUCH_TOPIC, as_protocol_error, fault_of
from worker.kafka.confluent.progress import GroupProgress
from worker.kafka.confluent.reading import Unreadable, records_of
from worker.kafka.confluent.settling import NoAnswer, commit, committed, first_start
from worker.kafka.confluent.stuck import StuckWatch
from worker.kafka.connection import Connection
from worker.kafka.consumer import ConsumerSettings
from worker.kafka.membership import Identity
from worker.kafka.refusal import RefusalWatch
from worker.kafka.settling import Start, Unsettled
from worker.ports import Polled
from worker.records import Membership, Offsets, Publication, Record, TopicPartition

log = structlog.get_logger(__name__)

SHORTEST_POLL_S = 0.005
SETTLING_POLL_S = 0.02
SETTLE_BUDGET_S = 0.5
# of back-pressure; a rebalance waits for its end
LEFT_WITH_CLIENT_S = 0.5
FAILURES_BEFORE_NEW_CONSUMER = 20
# the brokers may be elsewhere by now; before, a new consumer is no better
NEW_CONSUMER_AFTER_S = 300.0
COMPLAIN_EVERY_S = 5.0
END_OFFSETS_TIMEOUT_S = 10.0


class ConfluentSource:
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
        self._member: Member | None = None
        self._identity: Identity | None = None
        self._paused = False
        self._paused_at = 0.0
        self._stopped = False
        self._awaiting_rewind = True
        self._handed_out = False
        self._unsettled: deque[TopicPartition] = deque()
        self._next: dict[TopicPartition, int] = {}
        self._durable: dict[TopicPartition, int] = {}
        self._notes: dict[TopicPartition, str] = {}
        self._failures = 0
        self._placed_at = self._clock.monotonic()
        self._told_at: dict[str, float] = {}
        self._forbidden: list[Exception] = []
        self._refusals = RefusalWatch(connection, settings.topics, settings.group_id, self._clock)
        self._stuck = StuckWatch()
        self._deaf = False
        self._progress = GroupProgress(connection, self._clock)

    def poll(self, *, timeout_s: float) -> Polled:
        self._refusals.check()
        for error in self._forbidden:
            self._refusals.consider(error)
        if self._deaf:
            return self._replaced()
        member = self._opened()
        if self._leaves_records():
            time.sleep(max(SHORTEST_POLL_S, timeout_s))
            return Polled()
        before = member.metadata()
        try:
            messages = member.take(self._patience_s(timeout_s))
        except KafkaException as error:
            return self._survive(error)
        return self._judge(member, before, messages)

    def pause(self) -> None:
        if not self._paused:
            self._paused = True
            self._paused_at = self._clock.monotonic()

    def resume(self) -> None:
        self._paused = False
        if self._stopped and self._member is not None:
            self._stopped = False
            self._member.flow(list(self._next))

    def rewind(self) -> None:
        self._awaiting_rewind = False
        self._start_over()

    def acknowledge(self, publication: Publication) -> None:
        if not self._commits or self._commit(publication):
            for partition, offset in publication.offsets.items():
                if partition in self._durable:
                    self._durable[partition] = offset

    def notes(self) -> Mapping[TopicPartition, str]:
        return dict(self._notes)

    def joined(self) -> bool:
        if self._member is None or self._failures or self._identity is None:
            return False
        return self._identity == self._member.identity()

    def assignment(self) -> frozenset[TopicPartition]:
        return frozenset(() if self._member is None else self._member.partitions.owned)

    def lag(self) -> Mapping[TopicPartition, int]:
        if self._member is None:
            return {}
        ends = ((each, following, self._member.known_end(each)) for each, following in self._next.items())
        return {partition: max(0, end - following) for partition, following, end in ends if end is not None}

    def end_offsets(self) -> Offsets:
        return end_offsets(self._connection, self._settings.topics, Deadline.after(END_OFFSETS_TIMEOUT_S, self._clock))

    def caught_up(self, ends: Offsets) -> bool:
        if self._member is None or self._identity is None or self._awaiting_rewind or self._unsettled:
            return False
        owned = {partition: end for partition, end in ends.items() if partition in self._next}
        if not all(self._finished(self._member, partition, end) for partition, end in owned.items()):
            return False
        others = {partition: end for partition, end in ends.items() if partition not in owned}
        return self._progress.reached(self._member.client, others)

    def close(self, *, timeout_s: float) -> None:
        self._progress.close()
        if self._member is not None:
            member, self._member = self._member, None
            member.leave().wait(timeout_s)

    def _opened(self) -> Member:
        if self._member is None:
            self._member = Member(self._connection, self._settings, on_error=self._note_error)
        return self._member

    def _leaves_records(self) -> bool:
        """Whether a poll under back-pressure lets the client be: for a short time only, so that it stays a member that
        takes part in rebalances."""
        if not self._paused or self._stopped or self._awaiting_rewind or self._unsettled:
            return False
        return self._clock.monotonic() - self._paused_at < LEFT_WITH_CLIENT_S

    def _patience_s(self, timeout_s: float) -> float:
        if self._paused and not self._stopped and self._member is not None:
            self._stopped = True
            self._member.stop(list(self._next))
        if self._unsettled and not self._awaiting_rewind:
            return SETTLING_POLL_S
        return max(SHORTEST_POLL_S, timeout_s)

    def _judge(self, member: Member, before: bytes, messages: Sequence[Message]) -> Polled:
        """Decide what the poll was worth. Records that are not handed out are read again, never dropped."""
        messages = self._without_errors(messages)
        identity = member.identity()
        if identity is not None:
            self._failures = 0
            self._placed_at = self._clock.monotonic()
        elif self._clock.monotonic() - self._placed_at >= NEW_CONSUMER_AFTER_S:
            return self._replaced()
        if member.partitions.moved or (identity is not None and identity != self._identity):
            return self._moved(member, identity)
        if identity is None or self._awaiting_rewind:
            self._unsettle({TopicPartition(each.topic(), each.partition()) for each in messages})
            return Polled()
        try:
            records = self._take(records_of(messages, self._connection))
        except Unreadable:
            self._unsettle({TopicPartition(each.topic(), each.partition()) for each in messages})
            return Polled()
        self._settle(member)
        if self._paused:
            self._stuck.forgive()
        elif self._stuck.found(member.client, self._next, self._clock.monotonic()):
            return self._replaced()
        return Polled(records, Membership(identity.generation, identity.member_id, before))

    def _without_errors(self, messages: Sequence[Message]) -> Sequence[Message]:
        faults = [fault for fault in map(Message.error, messages) if fault is not None]
        if not faults:
            return messages
        for message, fault in ((each, each.error()) for each in messages):
            if fault is not None:
                self._note_fault(fault, message.topic())
        return [each for each in messages if each.error() is None]

    def _moved(self, member: Member, identity: Identity | None) -> Polled:
        if self._identity is not None:
            self._refusals.look()
        self._forbidden.clear()
        member.partitions.moved = False
        self._identity = identity
        return self._hold()

    def _hold(self) -> Polled:
        self._awaiting_rewind = True
        self._start_over()
        return Polled(rebalanced=True)

    def _start_over(self) -> None:
        """Each partition goes on from its committed offset; enough while nothing was handed out."""
        self._handed_out = False
        self._stuck.forgive()
        self._next.clear()
        self._durable.clear()
        self._notes.clear()
        self._unsettled = deque(() if self._member is None else sorted(self._member.partitions.owned))
        if self._member is not None:
            self._member.stop(list(self._unsettled))

    def _unsettle(self, partitions: Iterable[TopicPartition]) -> None:
        known = [partition for partition in partitions if self._next.pop(partition, None) is not None]
        self._unsettled.extend(known)
        if self._member is not None:
            self._member.stop(known)

    def _take(self, records: Sequence[Record]) -> list[Record]:
        """What continues a settled partition; anything else was on its way when the partition was held."""
        taken = []
        for record in records:
            partition = (record.topic, record.partition)
            following = self._next.get(partition)  # type: ignore[call-overload]
            if following is not None and record.offset >= following:
                self._next[partition] = record.offset + 1  # type: ignore[index]
                taken.append(record)
        self._handed_out = self._handed_out or bool(taken)
        return taken

    def _settle(self, member: Member) -> None:
        """Find where held partitions go on; those the brokers cannot tell yet wait for the next poll.

        Asked one at a time where one answer for all does not come: it waits for every open transaction.
        """
        if not self._unsettled:
            return
        budget = Deadline.after(SETTLE_BUDGET_S, self._clock)
        try:
            known = committed(member.client, list(self._unsettled))
        except Unsettled as error:
            self._consider(error)
            known = {}
        for _ in range(len(self._unsettled)):
            if budget.expired:
                break
            partition = self._unsettled.popleft()
            try:
                start = self._start_of(member, partition, known)
            except Unsettled as error:
                self._unsettled.append(partition)
                self._consider(error)
                continue
            if member.go_to(partition, start.offset):
                self._next[partition] = self._durable[partition] = start.offset
                self._notes[partition] = start.note
                if not self._stopped:
                    member.flow([partition])
            else:
                self._unsettled.append(partition)

    def _start_of(
        self, member: Member, partition: TopicPartition, known: Mapping[TopicPartition, Start | None]
    ) -> Start:
        if partition not in known:
            known = committed(member.client, [partition])
        if partition not in known:
            raise Unsettled
        return known[partition] or first_start(member.client, partition, self._settings.start_from)

    def _consider(self, error: Exception) -> None:
        """Of a question that was not answered: whether it ever will be."""
        fault = fault_of(error.__cause__) if error.__cause__ is not None else None
        if fault is not None and fault.code() > 0:
            self._refusals.consider(as_protocol_error(fault))

    def _survive(self, error: KafkaException) -> Polled:
        self._failures += 1
        fault = fault_of(error)
        self._tell("source.poll_failed", error=fault.name() if fault else type(error).__name__)
        if self._failures >= FAILURES_BEFORE_NEW_CONSUMER or (fault is not None and fault.fatal()):
            return self._replaced()
        time.sleep(SETTLING_POLL_S * self._failures)
        if self._handed_out:
            return self._hold()
        self._start_over()
        return Polled()

    def _replaced(self) -> Polled:
        """Start over with a new consumer; the old one leaves the group meanwhile."""
        log.warning("source.new_consumer", topics=list(self._settings.topics))
        member, self._member = self._member, None
        self._failures = 0
        self._placed_at = self._clock.monotonic()
        self._identity = None
        self._stopped = self._deaf = False
        if member is not None:
            member.leave()
        return self._hold()

    def _note_error(self, error: KafkaError) -> None:
        """What concerns no partition; called by the client in the middle of a poll."""
        if error.code() == KafkaError._ALL_BROKERS_DOWN:
            self._tell("broker.unreachable", addresses=self._connection.addresses)
        else:
            self._tell("source.client_failed", error=error.name())

    def _note_fault(self, fault: KafkaError, topic: str | None) -> None:
        """The client tells once, and then no more."""
        self._tell("source.poll_failed", error=fault.name())
        if fault.code() in NO_SUCH_TOPIC:
            self._refusals.look()
        elif fault.code() > 0:
            self._forbidden.append(as_protocol_error(fault, topics=() if topic is None else (topic,)))

    def _tell(self, event: str, **words: str) -> None:
        now = self._clock.monotonic()
        if now - self._told_at.get(event, float("-inf")) >= COMPLAIN_EVERY_S:
            self._told_at[event] = now
            log.warning(event, **words)

    def _commit(self, publication: Publication) -> bool:
        """Under the membership of the records only: a newer one would let us move another member's offsets back."""
        membership = publication.membership
        mine = (membership.generation, membership.member_id)
        if self._member is None or self._identity != mine or self._member.identity() != mine:
            log.warning("source.commit_skipped", reason="rebalanced")
            return False
        offsets = dict(publication.offsets)
        try:
            commit(self._member.client, offsets, note=publication.note)
        except Unsettled as error:
            self._deaf = isinstance(error, NoAnswer)
            fault = fault_of(error.__cause__) if error.__cause__ is not None else None
            log.warning("source.commit_failed", error=fault.name() if fault else "no answer")
            return False
        return True

    def _finished(self, member: Member, partition: TopicPartition, end: int) -> bool:
        """Everything handed out is committed, and nothing readable is left before `end`."""
        following = self._next[partition]
        if self._durable[partition] < following:
            return False
        return following >= end or member.position(partition) >= end
