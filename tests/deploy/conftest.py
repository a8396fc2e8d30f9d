"""One engine, one set of images for all tests that need them; no other test waits for them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.deploy.docker import images
from tests.deploy.docker.engine import Engine, engine


@pytest.fixture(scope="session")
def docker() -> Iterator[Engine]:
    with engine() as found:
        yield found


@pytest.fixture(scope="session")
def base(docker: Engine) -> str:
    return images.python_base(docker)


@pytest.fixture(scope="session")
def worker_image(docker: Engine, base: str) -> str:
    return images.worker(docker, base=base)


@pytest.fixture(scope="session")
def kafka_image(docker: Engine) -> str:
    return images.kafka(docker)
