"""librdkafka's errors: what they mean here, and as those that the rest of `worker.kafka` knows. Pure.

Codes from 0 up are the protocol's, and so the same in both clients; those below are librdkafka's own.
"""

from __future__ import annotations

from confluent_kafka import KafkaError, KafkaException
from kafka import errors as protocol

STALE_MEMBER = (
    KafkaError.ILLEGAL_GENERATION,
    KafkaError.UNKNOWN_MEMBER_ID,
    KafkaError.FENCED_INSTANCE_ID,
)
STALE_PRODUCER = (
    KafkaError._FENCED,
    KafkaError.INVALID_PRODUCER_EPOCH,
    KafkaError.PRODUCER_FENCED,
)
TOO_LARGE = (KafkaError.MSG_SIZE_TOO_LARGE, KafkaError.RECORD_LIST_TOO_LARGE)
LIKE_A_MISSING_TOPIC = (
    KafkaError._TIMED_OUT,
    KafkaError._MSG_TIMED_OUT,
    KafkaError._UNKNOWN_TOPIC,
    KafkaError._UNKNOWN_PARTITION,
    KafkaError.UNKNOWN_TOPIC_OR_PART,
)
NO_SUCH_TOPIC = (
    KafkaError._UNKNOWN_TOPIC,
    KafkaError._UNKNOWN_PARTITION,
    KafkaError.UNKNOWN_TOPIC_OR_PART,
)


def fault_of(error: BaseException) -> KafkaError | None:
    """The client's error inside its exception."""
    found = error.args[0] if isinstance(error, KafkaException) and error.args else None
    return found if isinstance(found, KafkaError) else None


def as_protocol_error(fault: KafkaError, *, topics: tuple[str, ...] = ()) -> Exception:
    """As the other client would have raised it; `topics`: those concerned, where they are known."""
    kind: type[Exception] = protocol.for_code(fault.code()) if fault.code() > 0 else protocol.KafkaError
    return kind(list(topics)) if topics else kind(fault.name())
