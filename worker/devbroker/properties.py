"""What the brokers are told: `server.properties` and the logging of a development cluster. Pure."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID

HOST = "127.0.0.1"
INTERNAL_TOPIC_PARTITIONS = 8

LOGGING = """<Configuration status="WARN" shutdownHook="disable">
  <Appenders>
    <Console name="out" target="SYSTEM_OUT"><PatternLayout pattern="%d{ISO8601} %p %m (%c{1})%n"/></Console>
  </Appenders>
  <Loggers>
    <Logger name="org.apache.kafka.common.config.AbstractConfig" level="WARN"/>
    <Root level="INFO"><AppenderRef ref="out"/></Root>
  </Loggers>
</Configuration>
"""


@dataclass(frozen=True, slots=True)
class Node:
    """One broker that is a controller too. `ports` by listener name: PLAINTEXT, CONTROLLER and any added ones."""

    id: int
    ports: Mapping[str, int]

    def address(self, listener: str = "PLAINTEXT") -> str:
        return f"{HOST}:{self.ports[listener]}"


@dataclass(frozen=True, slots=True)
class Cluster:
    """A cluster of combined nodes; `protocols` gives the security protocol of each listener that clients may use.

    `advertised_hosts`: of listeners that send their clients to the same port of another host, e.g. to a proxy.
    """

    nodes: Sequence[Node]
    protocols: Mapping[str, str] = field(default_factory=lambda: {"PLAINTEXT": "PLAINTEXT"})
    overrides: Mapping[str, str] = field(default_factory=dict)
    advertised_hosts: Mapping[str, str] = field(default_factory=dict)

    @property
    def replication_factor(self) -> int:
        return min(3, len(self.nodes))

    @property
    def min_insync_replicas(self) -> int:
        """One less than the replicas, so that one node may be down and acks=all still means two copies."""
        return max(1, self.replication_factor - 1)

    def advertised(self, node: Node, listener: str) -> str:
        """`host:port` where the node tells clients of the listener to find it."""
        return f"{self.advertised_hosts.get(listener, HOST)}:{node.ports[listener]}"

    def properties(self, node: Node, *, data: Path) -> dict[str, str]:
        """The node's `server.properties`; the caller's overrides win."""
        clients = [f"{name}://{node.address(name)}" for name in self.protocols]
        protocol_map = {"CONTROLLER": "PLAINTEXT", **self.protocols}
        replicas, in_sync = str(self.replication_factor), str(self.min_insync_replicas)
        return {
            "node.id": str(node.id),
            "process.roles": "broker,controller",
            "controller.quorum.voters": ",".join(f"{each.id}@{each.address('CONTROLLER')}" for each in self.nodes),
            "controller.listener.names": "CONTROLLER",
            "inter.broker.listener.name": "PLAINTEXT",
            "listeners": ",".join([*clients, f"CONTROLLER://{node.address('CONTROLLER')}"]),
            "advertised.listeners": ",".join(f"{name}://{self.advertised(node, name)}" for name in self.protocols),
            "listener.security.protocol.map": ",".join(f"{name}:{kind}" for name, kind in protocol_map.items()),
            "log.dirs": str(data),
            "default.replication.factor": replicas,
            "min.insync.replicas": in_sync,
            "offsets.topic.replication.factor": replicas,
            "offsets.topic.num.partitions": str(INTERNAL_TOPIC_PARTITIONS),
            "transaction.state.log.replication.factor": replicas,
            "transaction.state.log.min.isr": in_sync,
            "transaction.state.log.num.partitions": str(INTERNAL_TOPIC_PARTITIONS),
            "share.coordinator.state.topic.replication.factor": replicas,
            "share.coordinator.state.topic.min.isr": in_sync,
            "group.initial.rebalance.delay.ms": "0",
            "auto.create.topics.enable": "false",
            # a killed node may come back only when its session has ended: 9 s by default
            "broker.session.timeout.ms": "4000",
            "broker.heartbeat.interval.ms": "1000",
            "log.cleaner.dedupe.buffer.size": str(16 * 1024 * 1024),
            **self.overrides,
        }


def cluster_id(number: UUID) -> str:
    """The number as Kafka writes ids; never with a leading dash, which its tool would take for an option."""
    first, *rest = number.bytes
    return base64.urlsafe_b64encode(bytes([first & 0x7F, *rest])).decode().rstrip("=")


def render(properties: Mapping[str, str]) -> str:
    """The properties as Java reads them: a backslash or a line break in a value would otherwise end or change it."""
    return "".join(f"{key}={_escaped(value)}\n" for key, value in properties.items())


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace("\n", "\\n").replace("\r", "\\r")
