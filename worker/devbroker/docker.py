"""A development broker in a container, by testcontainers: for machines with a Docker engine and no Java.

The container goes with `close`; after a crash of this process testcontainers' own reaper removes it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from worker.devbroker.kinds import DevBroker, DevBrokerUnavailable, PrerequisiteMissing, Report

if TYPE_CHECKING:
    from testcontainers.community.kafka import KafkaContainer

IMAGE = "confluentinc/cp-kafka:7.6.0"
"""The image that testcontainers itself starts in KRaft mode by default; its Kafka is 3.6."""

START_TIMEOUT_S = 120

SETTINGS = {
    "KAFKA_AUTO_CREATE_TOPICS_ENABLE": "false",
    "KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR": "1",
    "KAFKA_TRANSACTION_STATE_LOG_MIN_ISR": "1",
}
"""Beside what KafkaContainer sets: without the last two a transaction on one broker waits for ever."""


class DockerBroker(DevBroker):
    """One Kafka node in a container, made by `start`."""

    kind = "docker"
    transactional = True

    def __init__(self, container: KafkaContainer, bootstrap_servers: str) -> None:
        self._container: KafkaContainer | None = container
        self._bootstrap_servers = bootstrap_servers

    @classmethod
    def start(cls, *, port: int | None, report: Report) -> DockerBroker:
        """Pull the image if need be and start it; raises DevBrokerUnavailable, in one line."""
        container = _container(port)
        report(f"starting {IMAGE} in Docker (the first time it is pulled)")
        try:
            _start(container)
        except BaseException:
            container.stop()
            raise
        return cls(container, container.get_bootstrap_server())

    @property
    def bootstrap_servers(self) -> str:
        return self._bootstrap_servers

    def close(self) -> None:
        """Remove the container and its volume."""
        container, self._container = self._container, None
        if container is not None:
            container.stop()


def _container(port: int | None) -> KafkaContainer:
    """A container yet to be started; asks the engine whether it is there."""
    try:
        from docker.errors import DockerException  # type: ignore[import-untyped]
        from testcontainers.community.kafka import KafkaContainer
    except ImportError:
        raise PrerequisiteMissing("testcontainers is not installed: pip install 'emostream[devbroker]'") from None
    try:
        container = KafkaContainer(IMAGE).with_kraft().with_envs(**SETTINGS)
        container.get_docker_client().client.ping()
    except (DockerException, OSError) as error:
        raise PrerequisiteMissing(
            f"no Docker engine answers: start it, or set DOCKER_HOST ({_one_line(error)})"
        ) from error
    return container.with_bind_ports(container.port, port) if port is not None else container


def _start(container: KafkaContainer) -> None:
    from docker.errors import DockerException

    try:
        container.start(timeout=START_TIMEOUT_S)
    # testcontainers' own errors are RuntimeErrors, one of them nothing more
    except (DockerException, RuntimeError, OSError) as error:
        raise DevBrokerUnavailable(f"the container did not start: {_one_line(error)}") from error


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())[:300]
