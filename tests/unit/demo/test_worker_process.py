"""The demo's worker process: its settings and its environment."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
import yaml

from tests.unit.demo.events import TOPICS
from worker.config import load
from worker.demo import worker_process
from worker.demo.worker_process import Assignment, settings
from worker.devbroker.choice import AddressBroker
from worker.devbroker.embedded import EmbeddedBroker


class Embedded(AddressBroker):
    """What is special about the embedded broker, without one."""

    transactional = EmbeddedBroker.transactional
    api_version = EmbeddedBroker.api_version


@pytest.mark.parametrize(
    ("broker", "delivery", "api_version"),
    [(AddressBroker("host:9092"), "exactly-once", None), (Embedded("host:9092"), "at-least-once", "2.3")],
)
def test_the_settings_are_settings(
    broker: AddressBroker, delivery: str, api_version: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`emostream run` takes them, and they promise what the broker can keep."""
    for name in [name for name in os.environ if name.upper().startswith("EMOSTREAM_")]:
        monkeypatch.delenv(name)
    file = tmp_path / "worker.yaml"

    file.write_text(yaml.safe_dump(settings(Assignment(broker, TOPICS, "builtin:ekman"), port=9100)))

    loaded = load(file)
    assert (TOPICS.input,) == loaded.kafka.input_topics
    assert delivery == loaded.kafka.delivery
    assert api_version == loaded.kafka.api_version


def test_settings_of_another_worker_do_not_reach_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable meant for a worker of one's own would win over the demo's file."""
    monkeypatch.setenv("EMOSTREAM_KAFKA__INPUT_TOPICS", "mine")
    monkeypatch.setenv("HF_HOME", "kept")

    environment = worker_process._environment()

    assert not [name for name in environment if name.startswith("EMOSTREAM_")]
    assert environment["HF_HOME"] == "kept"
    assert environment["PYTHONPATH"].split(os.pathsep) == [path for path in sys.path if path]
