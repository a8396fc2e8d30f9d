"""Where the input topics end, asked with a client made for the question.

One that has been away believes its old leader epochs for a while, and may not connect again for a question alone.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from confluent_kafka import Consumer, KafkaException
from confluent_kafka import TopicPartition as ClientPartition

from worker.clock import Deadline
from worker.errors import BrokerUnavailable
from worker.kafka.calls import ended_within
from worker.kafka.confluent.client_log import client_logger
from worker.kafka.confluent.faults import fault_of
from worker.kafka.confluent.settings import reader_settings
from worker.kafka.connection import Connection
from worker.records import TopicPartition

ASK_AGAIN_S = 0.1
ANSWERED_WITHIN_S = 5.0
CLOSE_TIMEOUT_S = 2.0
THE_END = -1


def end_offsets(connection: Connection, topics: Sequence[str], deadline: Deadline) -> dict[TopicPartition, int]:
    """Of every partition, as read-committed readers see it. Raises BrokerUnavailable after the deadline."""
    client = Consumer(reader_settings(connection), logger=client_logger())
    try:
        while True:
            try:
                return _asked(client, topics)
            except KafkaException as error:
                if deadline.expired:
                    fault = fault_of(error)
                    reason = fault.name() if fault else type(error).__name__
                    raise BrokerUnavailable(f"the ends of the input topics cannot be read: {reason}") from error
            time.sleep(ASK_AGAIN_S)
    finally:
        ended_within(CLOSE_TIMEOUT_S, client.close, name="kafka-reader-close")


def _asked(client: Any, topics: Sequence[str]) -> dict[TopicPartition, int]:
    asked = []
    for topic in topics:
        described = client.list_topics(topic, timeout=ANSWERED_WITHIN_S).topics[topic]
        if described.error is not None:
            raise KafkaException(described.error)
        # in the place of a time
        asked += [ClientPartition(topic, number, THE_END) for number in described.partitions]
    answers = client.offsets_for_times(asked, timeout=ANSWERED_WITHIN_S)
    for each in answers:
        if each.error is not None:
            raise KafkaException(each.error)
    return {TopicPartition(each.topic, each.partition): int(each.offset) for each in answers}
