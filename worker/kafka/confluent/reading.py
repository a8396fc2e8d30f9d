"""The client's messages as our records, and what it cannot show.

A header name that is not UTF-8 cannot be read with confluent-kafka: the first look at the message's headers raises, and
a second one gives an object with a hole that ends the process. Such a record is read again with the other client.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from typing import Any

import structlog
from confluent_kafka import Message
from kafka import KafkaConsumer
from kafka.errors import KafkaError as OtherClientsError
from kafka.structs import TopicPartition as ClientPartition

from worker.kafka.client_defects import accept_any_header_name
from worker.kafka.connection import Connection
from worker.kafka.consumer import record_of
from worker.kafka.opening import open_now
from worker.records import Header, Record

log = structlog.get_logger(__name__)

READ_AGAIN_TIMEOUT_MS = 5_000

Headers = tuple[Header, ...]


class Unreadable(Exception):
    """A record could not be had from either client for now."""


def records_of(messages: Sequence[Message], connection: Connection) -> list[Record]:
    """In their order. A record that is gone when it must be read again is left out. Raises Unreadable."""
    records = [
        Record(
            message.topic(),
            message.partition(),
            message.offset(),
            message.timestamp()[1],
            message.key(),
            message.value(),
            headers or (),
        )
        for message, headers in zip(messages, headers_of(messages), strict=True)
        if headers is not None
    ]
    if len(records) == len(messages):
        return records
    return _with_the_unreadable(records, messages, connection)


def headers_of(messages: Sequence[Message]) -> list[Headers | None]:
    """Of each message, None where they cannot be read. Each is looked at once only.

    Called through `map`, because a plain call in a hot loop does not notice the client's error on CPython 3.11.
    """
    found: list[Headers | None] = []
    looks = map(Message.headers, messages)
    while len(found) < len(messages):
        try:
            # what came before an error stays
            found.extend(tuple(headers) if headers else () for headers in looks)
        except (SystemError, UnicodeDecodeError):
            found.append(None)
    return found


def _with_the_unreadable(records: list[Record], messages: Sequence[Message], connection: Connection) -> list[Record]:
    readable = {(record.topic, record.partition, record.offset): record for record in records}
    whole = []
    for message in messages:
        place = (message.topic(), message.partition(), message.offset())
        record = readable.get(place) or _read_again(connection, *place)
        if record is not None:
            whole.append(record)
    return whole


def _read_again(connection: Connection, topic: str, number: int, offset: int) -> Record | None:
    """With kafka-python; None when the log no longer has it."""
    log.info("source.read_again", topic=topic, partition=number, offset=offset, reason="a header name is not UTF-8")
    accept_any_header_name()
    partition = ClientPartition(topic, number)
    try:
        with closing(open_now(KafkaConsumer, _reader_settings(connection))) as consumer:
            consumer.assign([partition])
            consumer.seek(partition, offset)
            found = consumer.poll(timeout_ms=READ_AGAIN_TIMEOUT_MS).get(partition)
    except OtherClientsError as error:
        raise Unreadable from error
    if not found:
        raise Unreadable
    return record_of(found[0]) if found[0].offset == offset else None


def _reader_settings(connection: Connection) -> dict[str, Any]:
    return {
        **connection.client_settings(),
        "group_id": None,
        "isolation_level": "read_committed",
        "auto_offset_reset": "earliest",
        "enable_auto_commit": False,
        "max_poll_records": 1,
        "metrics_enabled": False,
    }
