"""One consumer of librdkafka: what it tells between polls, what it delivers in one, and how it is let go."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, Message
from confluent_kafka import TopicPartition as ClientPartition

from worker.kafka.calls import Call
from worker.kafka.confluent.client_log import client_logger
from worker.kafka.confluent.membership import identity_of
from worker.kafka.confluent.settings import consumer_settings
from worker.kafka.connection import Connection
from worker.kafka.consumer import ConsumerSettings
from worker.kafka.membership import Identity
from worker.records import TopicPartition


class Partitions:
    """What we own, as the client told it in the middle of a poll; it takes them and gives them back by itself."""

    def __init__(self) -> None:
        self.owned: set[TopicPartition] = set()
        self.moved = False

    def assigned(self, _consumer: Any, partitions: Sequence[ClientPartition]) -> None:
        self.moved = True
        self.owned |= {TopicPartition(each.topic, each.partition) for each in partitions}

    def revoked(self, _consumer: Any, partitions: Sequence[ClientPartition]) -> None:
        """Given back, or lost."""
        self.moved = True
        self.owned -= {TopicPartition(each.topic, each.partition) for each in partitions}


class Member:
    """A consumer that belongs to the group. Neither making nor subscribing it waits for a broker.

    The client serves one call at a time: one from another thread would wait for a poll to end.
    """

    def __init__(
        self, connection: Connection, settings: ConsumerSettings, *, on_error: Callable[[KafkaError], None]
    ) -> None:
        self.partitions = Partitions()
        self._most = settings.max_poll_records
        self.client = Consumer(
            {**consumer_settings(connection, settings), "error_cb": on_error}, logger=client_logger()
        )
        self.client.subscribe(
            list(settings.topics),
            on_assign=self.partitions.assigned,
            on_revoke=self.partitions.revoked,
            on_lost=self.partitions.revoked,
        )

    def metadata(self) -> bytes:
        """The group metadata as it is now: what fences a transaction."""
        metadata: bytes = self.client.consumer_group_metadata()
        return metadata

    def identity(self) -> Identity | None:
        """Who we are in the group now; None while we have no place in it."""
        return identity_of(self.metadata())

    def take(self, timeout_s: float) -> list[Message]:
        """What is there, or, after waiting for it, what comes first. Raises the client's errors.

        A batch alone would be waited for until it is full or the time is over.
        """
        ready: list[Message] = self.client.consume(self._most, timeout=0)
        if ready:
            return ready
        first = self.client.poll(timeout_s)
        if first is None:
            return []
        return [first, *(self.client.consume(self._most - 1, timeout=0) if self._most > 1 else ())]

    def stop(self, partitions: Sequence[TopicPartition]) -> None:
        """Deliver nothing more of them; what was read ahead is forgotten."""
        if partitions:
            self.client.pause([ClientPartition(*each) for each in partitions])

    def flow(self, partitions: Sequence[TopicPartition]) -> None:
        """Undo `stop`."""
        if partitions:
            self.client.resume([ClientPartition(*each) for each in partitions])

    def go_to(self, partition: TopicPartition, offset: int) -> bool:
        """Whether the partition goes on there; not while the client itself is about to find out where it begins."""
        try:
            self.client.seek(ClientPartition(*partition, offset))
        except KafkaException:
            return False
        return True

    def position(self, partition: TopicPartition) -> int:
        """The offset behind what was delivered, markers of transactions included; negative before the first."""
        (answer,) = self.client.position([ClientPartition(*partition)])
        return int(answer.offset)

    def known_end(self, partition: TopicPartition) -> int | None:
        """As it came with the last fetch; None before that."""
        _, high = self.client.get_watermark_offsets(ClientPartition(*partition), cached=True)
        return int(high) if high >= 0 else None

    def leave(self) -> Call[None]:
        """Leave the group without committing, on a thread of its own: it waits for the group's coordinator."""
        return Call(self.client.close, name="kafka-leave", too_late=lambda _: None)
