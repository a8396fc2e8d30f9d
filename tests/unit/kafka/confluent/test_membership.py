"""Who we are, out of librdkafka's bytes."""

from __future__ import annotations

import pytest
from confluent_kafka import Consumer

from worker.errors import ConfigError
from worker.kafka.confluent.membership import for_the_other_client, identity_of
from worker.kafka.membership import Identity


def test_generation_and_member() -> None:
    """Both are what fencing compares."""
    metadata = b"CGMDv2:" + (7).to_bytes(4, "little") + b"group\0member-1\0\x01"

    assert Identity(7, "member-1") == identity_of(metadata)


def test_the_client_still_writes_them_so() -> None:
    """A member that has joined nothing yet has no place; an upgrade of the client that writes otherwise fails here."""
    consumer = Consumer({"bootstrap.servers": "localhost:1", "group.id": "group", "log_level": 0})

    metadata = consumer.consumer_group_metadata()

    assert identity_of(metadata) is None
    assert b"group\0" in metadata
    consumer.close()


def test_an_unknown_form_is_refused() -> None:
    """Going on without knowing the generation would be going on without fencing."""
    with pytest.raises(ConfigError, match="this version of confluent-kafka is not known"):
        identity_of(b"CGMDv9:\x01\x00\x00\x00group\0member\0\x01")


def test_the_other_client_fences_with_the_same() -> None:
    """Group, generation and member; no static member."""
    metadata = for_the_other_client("group", Identity(7, "member-1"))

    assert ("group", 7, "member-1", None) == tuple(metadata)[:4]
