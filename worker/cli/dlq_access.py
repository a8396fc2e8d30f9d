"""The dead-letter topic of a configuration, opened for `emostream dlq`, with everything checked that it needs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from worker.config import KafkaSettings
from worker.dead_letters.ports import LetterReader, Returner
from worker.dead_letters.replaying import Rehearsal
from worker.kafka.connection import Connection
from worker.kafka.dead_letters import TopicReader, TransactionalReturner
from worker.kafka.producer import Compression, ProducerSettings
from worker.kafka.startup import Limits, Needs, check
from worker.wiring import connection_of

CLOSE_TIMEOUT_S = 6.0


@contextmanager
def letters_of(kafka: KafkaSettings) -> Iterator[LetterReader]:
    """For reading only: needs no group. Raises BrokerError."""
    connection = connection_of(kafka)
    _check(kafka, connection, outgoing=(), group_id=None, transactional_id=None)
    with _reader(kafka, connection, group_id=None) as reader:
        yield reader


@contextmanager
def replay_of(kafka: KafkaSettings, *, execute: bool) -> Iterator[tuple[LetterReader, Returner]]:
    """For sending back to the input topics, or for a rehearsal of it. Raises BrokerError."""
    connection, topics = connection_of(kafka), tuple(kafka.input_topics)
    group_id = f"{kafka.group_id}-dlq-replay"
    transactional_id = f"emostream-{group_id}"
    own_id = transactional_id if execute else None
    limits = _check(kafka, connection, outgoing=topics, group_id=group_id, transactional_id=own_id)
    returner = TransactionalReturner(
        connection,
        ProducerSettings({}, limits.max_message_bytes, Compression(kafka.compression)),
        group_id=group_id,
        transactional_id=transactional_id,
        topics=topics,
    )
    try:
        with _reader(kafka, connection, group_id=group_id) as reader:
            yield reader, returner if execute else Rehearsal(returner.takes)
    finally:
        returner.close(timeout_s=CLOSE_TIMEOUT_S)


def _check(
    kafka: KafkaSettings,
    connection: Connection,
    *,
    outgoing: tuple[str, ...],
    group_id: str | None,
    transactional_id: str | None,
) -> Limits:
    needs = Needs([kafka.dead_letter_topic], outgoing, group_id, transactional_id, value_bytes=0)
    return check(connection, needs, connect_timeout_s=kafka.connect_timeout_s)


@contextmanager
def _reader(kafka: KafkaSettings, connection: Connection, *, group_id: str | None) -> Iterator[TopicReader]:
    reader = TopicReader(connection, kafka.dead_letter_topic, group_id=group_id)
    try:
        yield reader
    finally:
        reader.close()
