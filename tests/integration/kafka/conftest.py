"""Brokers of this package's own: one with TLS, logins and permissions, and one that tests may hurt."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chaos.site import Site, site
from tests.conftest import Topics
from tests.integration.kafka.secure import SecureBroker
from worker.devbroker.jvm import JvmBroker


@pytest.fixture(scope="package")
def secure_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecureBroker]:
    with SecureBroker.started(tmp_path_factory.mktemp("certificates")) as broker:
        yield broker


@pytest.fixture(scope="package")
def fragile_site() -> Iterator[Site]:
    """A broker and the network before it, for tests to hurt; every test leaves both serving."""
    with site(nodes=1) as place:
        yield place


@pytest.fixture(scope="package")
def fragile_broker(fragile_site: Site) -> JvmBroker:
    """May be killed, restarted, paused and resumed; every test leaves it serving."""
    return fragile_site.broker


@pytest.fixture
def three_nodes() -> Iterator[Site]:
    """A cluster that goes on when one of its nodes is gone."""
    with site(nodes=3) as place:
        yield place


@pytest.fixture
def fragile_topics(fragile_broker: JvmBroker) -> Topics:
    return Topics(fragile_broker.bootstrap_servers)


@pytest.fixture(autouse=True)
def _collected() -> Iterator[None]:
    """The client forgets to close sockets of connections that fail; they are collected before others' tests run."""
    yield
    gc.collect()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in Path(item.path).parents:
            item.add_marker(pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning"))
