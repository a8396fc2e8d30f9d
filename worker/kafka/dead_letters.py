"""Dead letters over kafka-python: reading their topic, and sending records back in transactions."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from kafka import KafkaConsumer
from kafka.errors import KafkaError, KafkaTimeoutError
from kafka.structs import OffsetAndMetadata
from kafka.structs import TopicPartition as ClientPartition

from worker.dead_letters.ports import Committed, Marks, Return
from worker.errors import BrokerUnavailable, EmostreamError, Fenced
from worker.kafka.attempt import Attempt
from worker.kafka.causes import permission
from worker.kafka.client_defects import accept_any_header_name, restore_parked_records
from worker.kafka.connection import Connection
from worker.kafka.consumer import leave, record_of
from worker.kafka.encoding import NOTHING, client_headers
from worker.kafka.opening import open_now
from worker.kafka.producer import ProducerSettings, flush_all
from worker.kafka.publisher import ANSWERED_WITHIN_S, GuardedPublisher
from worker.records import Offsets, Record, TopicPartition

POLL_MS = 200
OFFSETS_TIMEOUT_MS = 10_000
COMMITTED_TIMEOUT_MS = 1_000
COMMITTED_TRIES = 20
SILENCE_S = 30.0
CLOSE_TIMEOUT_S = 6.0


class TopicReader:
    """A `LetterReader` without a group membership. `group_id`: whose committed offsets are asked for, None: nobody's.

    Raises BrokerError.
    """

    def __init__(self, connection: Connection, topic: str, *, group_id: str | None) -> None:
        accept_any_header_name()
        self._group_id = group_id
        try:
            self._consumer: Any = open_now(KafkaConsumer, _settings(connection, group_id))
        except KafkaError as error:
            raise self._failure(error) from error
        try:
            partitions = sorted(ClientPartition(topic, each) for each in self._consumer.partitions_for_topic(topic))
            self._consumer.assign(partitions)
            self._ends: dict[ClientPartition, int] = self._consumer.end_offsets(
                partitions, timeout_ms=OFFSETS_TIMEOUT_MS
            )
        except KafkaError as error:
            self.close()
            raise self._failure(error) from error
        self._at: dict[ClientPartition, int] = {}
        self._heard_at = time.monotonic()

    def committed(self) -> Marks:
        found: dict[TopicPartition, Committed] = {}
        for partition in self._ends:
            mark = self._committed(partition)
            if mark is not None:
                found[TopicPartition(*partition)] = Committed(mark.offset, mark.metadata or "")
        return found

    def start(self, offsets: Offsets) -> Offsets:
        try:
            beginnings = self._consumer.beginning_offsets(list(self._ends), timeout_ms=OFFSETS_TIMEOUT_MS)
        except KafkaError as error:
            raise self._failure(error) from error
        for partition, beginning in beginnings.items():
            self._at[partition] = max(beginning, offsets.get(TopicPartition(*partition), beginning))
            self._consumer.seek(partition, self._at[partition])
            self._consumer.resume(partition)
        self._heard_at = time.monotonic()
        return {TopicPartition(*partition): offset for partition, offset in self._at.items()}

    def read(self) -> Sequence[Record] | None:
        before = self.remaining()
        for partition in [each for each, end in self._ends.items() if self._at[each] >= end]:
            self._consumer.pause(partition)
        if before == 0:
            return None
        restore_parked_records(self._consumer)
        try:
            batches = self._consumer.poll(timeout_ms=POLL_MS)
        except KafkaError as error:
            raise self._failure(error) from error
        for partition in self._ends:
            self._at[partition] = self._position(partition)
        self._notice(moved=self.remaining() < before)
        return [
            record_of(each)
            for partition, batch in batches.items()
            for each in batch
            if each.offset < self._ends[partition]
        ]

    def remaining(self) -> int:
        return sum(max(0, end - self._at.get(partition, end)) for partition, end in self._ends.items())

    def close(self) -> None:
        leave(self._consumer).wait(CLOSE_TIMEOUT_S)

    def _committed(self, partition: ClientPartition) -> OffsetAndMetadata | None:
        """Asked twice: the first answer may be that to an earlier question (D25)."""
        for _ in range(COMMITTED_TRIES):
            try:
                self._consumer.committed(partition, metadata=True, timeout_ms=COMMITTED_TIMEOUT_MS)
                return self._consumer.committed(partition, metadata=True, timeout_ms=COMMITTED_TIMEOUT_MS)
            except KafkaTimeoutError:
                continue
            except KafkaError as error:
                raise self._failure(error) from error
        raise BrokerUnavailable(f"the brokers do not tell the offsets of the group {self._group_id}; try again later")

    def _position(self, partition: ClientPartition) -> int:
        try:
            position: int | None = self._consumer.position(partition, timeout_ms=POLL_MS)
        except KafkaTimeoutError:
            position = None
        return self._at[partition] if position is None else position

    def _notice(self, *, moved: bool) -> None:
        now = time.monotonic()
        if moved:
            self._heard_at = now
        elif now - self._heard_at > SILENCE_S:
            raise BrokerUnavailable(f"no more of the dead-letter topic came for {SILENCE_S:g} s: are all brokers well?")

    def _failure(self, error: KafkaError) -> EmostreamError:
        name = type(error).__name__
        refused = permission(error, group_id=self._group_id or "")
        return refused or BrokerUnavailable(f"the dead-letter topic cannot be read: {name}")


class TransactionalReturner(GuardedPublisher[tuple[Sequence[Return], Marks]]):
    """A `Returner`. Whoever opens one with the same transactional id fences those before."""

    def __init__(
        self,
        connection: Connection,
        settings: ProducerSettings,
        *,
        group_id: str,
        transactional_id: str,
        topics: Sequence[str],
    ) -> None:
        super().__init__(connection, settings, group_id=group_id)
        self._id = transactional_id
        self._returning_to = sorted(topics)

    def prepare(self) -> None:
        self.publish(((), {}))

    def send(self, returns: Sequence[Return], marks: Marks) -> None:
        self.publish((returns, marks))

    def takes(self, returned: Return) -> bool:
        return self.fits(key=returned.key, value=returned.value, headers=returned.headers)

    @property
    def _transactional_id(self) -> str:
        return self._id

    @property
    def _topics(self) -> list[str]:
        return self._returning_to

    def _work(self, attempt: Attempt, publication: tuple[Sequence[Return], Marks]) -> None:
        returns, marks = publication
        producer = self._opened(attempt)
        if not returns:
            return
        producer.begin_transaction()
        flush_all(producer, [_send(producer, returned) for returned in returns])
        attempt.go_on(within_s=ANSWERED_WITHIN_S)
        offsets = {
            ClientPartition(*partition): OffsetAndMetadata(mark.offset, mark.metadata, -1)
            for partition, mark in marks.items()
        }
        producer.send_offsets_to_transaction(offsets, self._group_id)
        attempt.begin_commit(within_s=ANSWERED_WITHIN_S)
        producer.commit_transaction()

    def _translated(self, attempt: Attempt, *, in_time: bool) -> EmostreamError:
        failure = super()._translated(attempt, in_time=in_time)
        if isinstance(failure, Fenced):
            return Fenced("another replay of this group has begun, and goes on from where this one was")
        return failure


def _send(producer: Any, returned: Return) -> Any:
    """To the partition it came from; whoever wrote it there may have chosen it in another way than we would."""
    partitions = len(producer.partitions_for(returned.topic))
    partition: int | None = returned.partition
    if returned.partition >= partitions:
        partition = None if returned.key is not None else returned.partition % partitions
    return producer.send(
        returned.topic,
        value=NOTHING if returned.value is None else returned.value,
        key=returned.key,
        headers=client_headers(returned.headers),
        partition=partition,
    )


def _settings(connection: Connection, group_id: str | None) -> dict[str, Any]:
    return {
        **connection.client_settings(),
        "group_id": group_id,
        "isolation_level": "read_committed",
        "auto_offset_reset": "earliest",
        "enable_auto_commit": False,
        "allow_auto_create_topics": False,
        "metrics_enabled": False,
    }
