"""A development broker in a container, by testcontainers: for machines with a Docker engine and no Java.

The container goes with `close`; after a crash of this process testcontainers' own reaper removes it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from worker.devbroker.kinds import DevBroker, DevBrokerUnavailable, PrerequisiteMissing, Report
from worker.devbroker.ports import free_ports

if TYPE_CHECKING:
    from testcontainers.core.container import DockerContainer

IMAGE = "apache/kafka:4.1.0"
"""The one of docker-compose.yml: small, and with the settings below transactions work on one node."""

CLIENT_PORT = 9094
SERVES = "Kafka Server started"
START_TIMEOUT_S = 120

SETTINGS = {
    "KAFKA_NODE_ID": "1",
    "KAFKA_PROCESS_ROLES": "broker,controller",
    # clients outside come by HOST; the broker itself, for the markers of transactions, must not
    "KAFKA_LISTENERS": f"INTERNAL://:9092,HOST://:{CLIENT_PORT},CONTROLLER://:9093",
    "KAFKA_LISTENER_SECURITY_PROTOCOL_MAP": "INTERNAL:PLAINTEXT,HOST:PLAINTEXT,CONTROLLER:PLAINTEXT",
    "KAFKA_INTER_BROKER_LISTENER_NAME": "INTERNAL",
    "KAFKA_CONTROLLER_LISTENER_NAMES": "CONTROLLER",
    "KAFKA_CONTROLLER_QUORUM_VOTERS": "1@localhost:9093",
    "KAFKA_AUTO_CREATE_TOPICS_ENABLE": "false",
    "KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR": "1",
    "KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR": "1",
    "KAFKA_TRANSACTION_STATE_LOG_MIN_ISR": "1",
    "KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS": "0",
    "KAFKA_LOG_DIRS": "/var/lib/kafka/data",
    "KAFKA_HEAP_OPTS": "-Xms256m -Xmx512m",
}
"""With any such variable the image's own defaults are gone. Internal topics with 3 replicas would wait for ever."""


class DockerBroker(DevBroker):
    """One Kafka node in a container, made by `start`."""

    kind = "docker"
    transactional = True

    def __init__(self, container: DockerContainer, bootstrap_servers: str) -> None:
        self._container: DockerContainer | None = container
        self._bootstrap_servers = bootstrap_servers

    @classmethod
    def start(cls, *, port: int | None, report: Report) -> DockerBroker:
        """Pull the image if need be and start it; raises DevBrokerUnavailable, in one line."""
        container, address = _container(port if port is not None else free_ports(1)[0])
        report(f"starting {IMAGE} in Docker (the first time it is pulled)")
        try:
            _start(container)
        except BaseException:
            container.stop()
            raise
        return cls(container, address)

    @property
    def bootstrap_servers(self) -> str:
        return self._bootstrap_servers

    def close(self) -> None:
        """Remove the container and its volume."""
        container, self._container = self._container, None
        if container is not None:
            container.stop()


def _container(port: int) -> tuple[DockerContainer, str]:
    """A container yet to be started and where it will be reached; asks the engine whether it is there."""
    try:
        from docker.errors import DockerException  # type: ignore[import-untyped]
        from testcontainers.core.container import DockerContainer
        from testcontainers.core.wait_strategies import LogMessageWaitStrategy
    except ImportError:
        raise PrerequisiteMissing("testcontainers is not installed: pip install 'emostream[devbroker]'") from None
    try:
        container = DockerContainer(IMAGE)
        client = container.get_docker_client()
        client.client.ping()
    except (DockerException, OSError) as error:
        raise PrerequisiteMissing(
            f"no Docker engine answers: start it, or set DOCKER_HOST ({_one_line(error)})"
        ) from error
    address = f"{client.host()}:{port}"
    container.with_bind_ports(CLIENT_PORT, port)
    container.with_envs(**SETTINGS, KAFKA_ADVERTISED_LISTENERS=f"INTERNAL://localhost:9092,HOST://{address}")
    container.waiting_for(LogMessageWaitStrategy(SERVES).with_startup_timeout(START_TIMEOUT_S).with_poll_interval(0.2))
    return container, address


def _start(container: DockerContainer) -> None:
    from docker.errors import DockerException

    try:
        container.start()
    # testcontainers' own errors are RuntimeErrors, one of them nothing more
    except (DockerException, RuntimeError, OSError) as error:
        raise DevBrokerUnavailable(f"the container did not start: {_one_line(error)}") from error


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())[:300]
