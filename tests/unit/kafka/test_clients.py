"""The choice of the client library."""

from __future__ import annotations

import sys

import pytest

from worker.errors import ConfigError
from worker.kafka.clients import adapters


@pytest.mark.parametrize(
    ("client", "source"), [("kafka-python", "KafkaSource"), ("confluent-kafka", "ConfluentSource")]
)
def test_each_name_has_its_adapters(client: str, source: str) -> None:
    """By the names that the setting has."""
    assert source == getattr(adapters(client).source, "__name__", None)


def test_a_client_that_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """One line says how to get it."""
    monkeypatch.setitem(sys.modules, "confluent_kafka", None)

    with pytest.raises(ConfigError, match=r"confluent-kafka is not installed: pip install 'emostream\[confluent\]'"):
        adapters("confluent-kafka")
