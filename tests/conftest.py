"""For all tests: logging as it was before; a real broker, one a session, and fresh topics for each test."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
import structlog
from hypothesis import settings

from tests.real_parts import unmet
from worker.devbroker.jvm import JvmBroker
from worker.devbroker.kinds import PrerequisiteMissing

settings.register_profile("shared machine", deadline=None, print_blob=True)  # timings are no assertions
settings.load_profile("shared machine")


@pytest.fixture(autouse=True)
def restored_logging() -> Iterator[None]:
    """Logging is the process's, and a command that is run in it sets it up."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    logging.captureWarnings(capture=False)
    yield
    root.handlers, root.level = handlers, level
    logging.captureWarnings(capture=False)
    structlog.reset_defaults()


@dataclass(frozen=True)
class Topics:
    """Makes topics whose names no other test uses."""

    bootstrap_servers: str

    def __call__(self, name: str = "texts", *, partitions: int = 4, configs: Mapping[str, str] | None = None) -> str:
        """Create a topic; its name is `name` and something unique."""
        from worker.devbroker.topics import create_topics  # brings kafka-python in, which unit tests do without

        topic = fresh(name)
        create_topics(self.bootstrap_servers, {topic: partitions}, configs=configs)
        return topic

    def missing(self, name: str = "missing") -> str:
        """The name of a topic that does not exist."""
        return fresh(name)


def fresh(name: str) -> str:
    return f"{name}-{uuid.uuid4().hex[:10]}"


def start_jvm_broker(**options: object) -> JvmBroker:
    """A broker of the test's own; without Java and Maven the test is skipped, or fails in CI."""
    try:
        return JvmBroker.start(**options)  # type: ignore[arg-type]
    except PrerequisiteMissing as missing:
        unmet(str(missing))


@pytest.fixture(scope="session")
def jvm_broker() -> Iterator[JvmBroker]:
    """One real broker for all tests that only add topics to it; tests that hurt it start their own."""
    with start_jvm_broker() as broker:
        yield broker


@pytest.fixture
def topics(jvm_broker: JvmBroker) -> Topics:
    return Topics(jvm_broker.bootstrap_servers)


@pytest.fixture
def group_id() -> str:
    """A consumer group that no other test uses."""
    return fresh("group")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whoever uses the real broker carries its marker, so that `-m "not broker"` leaves none out by oversight."""
    for item in items:
        if "jvm_broker" in getattr(item, "fixturenames", ()) and item.get_closest_marker("broker") is None:
            raise pytest.UsageError(f"{Path(item.path).name}::{item.name} uses jvm_broker without @pytest.mark.broker")
