"""Where partitions go on after they were assigned or rewound: the group's committed offsets, else the start."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from confluent_kafka import KafkaException
from confluent_kafka import TopicPartition as ClientPartition

from worker.kafka.calls import Call
from worker.kafka.consumer import StartFrom
from worker.kafka.settling import COMMITTED_TIMEOUT_MS, OFFSETS_TIMEOUT_MS, Start, Unsettled
from worker.records import TopicPartition

# later than the client should have ended it: socket.timeout.ms
COMMIT_TIMEOUT_S = 16.0


class NoAnswer(Unsettled):
    """The client waits for an answer that never comes."""


def committed(consumer: Any, partitions: Sequence[TopicPartition]) -> dict[TopicPartition, Start | None]:
    """What the group has committed, None where it has nothing. What stands in an open transaction is left out, when
    the brokers say so; else it makes the question time out. Raises Unsettled."""
    asked = [ClientPartition(*partition) for partition in partitions]
    try:
        answers = consumer.committed(asked, timeout=COMMITTED_TIMEOUT_MS / 1000)
    except KafkaException as error:
        raise Unsettled from error
    return {
        TopicPartition(each.topic, each.partition): Start(each.offset, each.metadata or "")
        if each.offset >= 0
        else None
        for each in answers
        if each.error is None
    }


def first_start(consumer: Any, partition: TopicPartition, start_from: StartFrom) -> Start:
    """Of a partition without a committed offset. A start at the latest is committed at once: otherwise a member that
    takes the partition over before the first wave would skip what came in between. Raises Unsettled."""
    try:
        low, high = consumer.get_watermark_offsets(ClientPartition(*partition), timeout=OFFSETS_TIMEOUT_MS / 1000)
    except KafkaException as error:
        raise Unsettled from error
    if start_from is StartFrom.EARLIEST:
        return Start(low)
    commit(consumer, {partition: high})
    return Start(high)


def commit(consumer: Any, offsets: dict[TopicPartition, int], *, note: str = "") -> None:
    """Raises Unsettled when they may not have been committed, NoAnswer when the client is of no use any more: its
    request was dropped, and the client serves nobody else meanwhile."""
    wanted = [ClientPartition(*partition, offset, note) for partition, offset in offsets.items()]
    call = Call(
        lambda: consumer.commit(offsets=wanted, asynchronous=False), name="kafka-commit", too_late=lambda _: None
    )
    if not call.wait(COMMIT_TIMEOUT_S):
        raise NoAnswer
    try:
        answers = call.result()
    except KafkaException as error:
        raise Unsettled from error
    if any(each.error is not None for each in answers):
        raise Unsettled
