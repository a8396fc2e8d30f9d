"""What librdkafka is told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Consumer, Producer

from worker.kafka.confluent.settings import consumer_settings, producer_settings, reader_settings, security_settings
from worker.kafka.connection import Connection, Security
from worker.kafka.consumer import Assignor, ConsumerSettings
from worker.kafka.producer import Compression, ProducerSettings
from worker.records import Destination

CONNECTION = Connection(("broker-1:9092", "broker-2:9092"))
TOPICS = {Destination.OUTPUT: "out"}


@pytest.mark.parametrize("assignor", list(Assignor))
def test_the_client_takes_a_members_settings(assignor: Assignor) -> None:
    """It refuses what it does not know, and what does not fit together."""
    settings = consumer_settings(CONNECTION, ConsumerSettings(("in",), "group", assignor=assignor))

    Consumer({**settings, "log_level": 0}).close()

    assert "broker-1:9092,broker-2:9092" == settings["bootstrap.servers"]
    assert "group.instance.id" not in settings


@pytest.mark.parametrize("transactional_id", [None, "id"])
@pytest.mark.parametrize("compression", list(Compression))
def test_the_client_takes_a_producers_settings(compression: Compression, transactional_id: str | None) -> None:
    """With and without transactions."""
    settings = producer_settings(
        CONNECTION, ProducerSettings(TOPICS, 1_000_000, compression), transactional_id=transactional_id
    )

    Producer({**settings, "log_level": 0})

    assert settings.get("transactional.id") == transactional_id
    assert 1_000_000 == settings["message.max.bytes"]


def test_the_client_takes_a_readers_settings() -> None:
    """For looks at single partitions."""
    Consumer({**reader_settings(CONNECTION), "log_level": 0}).close()


@pytest.mark.parametrize(
    ("security", "expected"),
    [
        (Security(), {"security.protocol": "PLAINTEXT"}),
        (
            Security("SASL_PLAINTEXT", "PLAIN", "user", "secret"),
            {
                "security.protocol": "SASL_PLAINTEXT",
                "sasl.mechanism": "PLAIN",
                "sasl.username": "user",
                "sasl.password": "secret",
            },
        ),
        (
            Security("SSL", ca_file=Path("ca.pem"), cert_file=Path("me.pem"), key_file=Path("me.key")),
            {
                "security.protocol": "SSL",
                "ssl.ca.location": "ca.pem",
                "ssl.certificate.location": "me.pem",
                "ssl.key.location": "me.key",
                "ssl.endpoint.identification.algorithm": "https",
            },
        ),
        (
            Security("SSL", cert_file=Path("both.pem")),
            {
                "security.protocol": "SSL",
                "ssl.certificate.location": "both.pem",
                "ssl.key.location": "both.pem",
                "ssl.endpoint.identification.algorithm": "https",
            },
        ),
    ],
)
def test_security(security: Security, expected: dict[str, Any]) -> None:
    """The same settings as for the other client, in other words; broker names are always checked."""
    assert expected == security_settings(security)
