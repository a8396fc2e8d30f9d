"""librdkafka's errors in the words of the other client."""

from __future__ import annotations

import pytest
from confluent_kafka import KafkaError, KafkaException
from kafka import errors as protocol

from worker.kafka.causes import permission
from worker.kafka.confluent.faults import as_protocol_error, fault_of


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (KafkaError.TOPIC_AUTHORIZATION_FAILED, protocol.TopicAuthorizationFailedError),
        (KafkaError.GROUP_AUTHORIZATION_FAILED, protocol.GroupAuthorizationFailedError),
        (KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED, protocol.TransactionalIdAuthorizationFailedError),
        (KafkaError.ILLEGAL_GENERATION, protocol.IllegalGenerationError),
        (KafkaError._TIMED_OUT, protocol.KafkaError),
    ],
)
def test_codes_of_the_protocol(code: int, expected: type[Exception]) -> None:
    """They are the same numbers; the library's own have no counterpart."""
    assert expected is type(as_protocol_error(KafkaError(code)))


def test_the_topic_is_named() -> None:
    """The line for the user says which one."""
    error = as_protocol_error(KafkaError(KafkaError.TOPIC_AUTHORIZATION_FAILED), topics=("texts",))

    assert "no permission on topic texts" in str(permission(error, group_id="g"))


def test_the_error_in_an_exception() -> None:
    """Whatever else is raised has none."""
    assert KafkaError._FENCED == (fault_of(KafkaException(KafkaError(KafkaError._FENCED))) or KafkaError(0)).code()
    assert fault_of(ValueError("x")) is None
