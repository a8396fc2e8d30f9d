"""A cluster that workers reach through a proxy only, with the topics of one run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from confluent_kafka.admin import AdminClient

from tests.chaos.proxy import Proxy, Route
from tests.conftest import fresh, start_jvm_broker
from worker.devbroker.jvm import JvmBroker
from worker.devbroker.properties import HOST
from worker.devbroker.topics import create_topics

PROXIED = "PROXIED"
PROXY_HOST = "127.0.0.2"


@dataclass(frozen=True)
class Site:
    """Brokers, the proxy before them, and the names of a run's topics and group."""

    broker: JvmBroker
    proxy: Proxy
    group_id: str
    input: str
    output: str
    review: str
    dead_letter: str

    @property
    def direct(self) -> str:
        """For whoever watches: the addresses that no proxy hurts."""
        return self.broker.bootstrap_servers

    @property
    def proxied(self) -> str:
        """For workers."""
        return self.broker.addresses(PROXIED)

    @property
    def nodes(self) -> list[int]:
        return [node.id for node in self.broker.cluster.nodes]

    @property
    def routes(self) -> list[Route]:
        return list(self.proxy.routes.values())

    @property
    def outgoing(self) -> tuple[str, str, str]:
        return (self.output, self.review, self.dead_letter)

    def config(
        self, *, delivery: str, assignor: str, client: str = "kafka-python", **changes: dict[str, Any]
    ) -> dict[str, dict[str, Any]]:
        """A worker's settings; `changes` are sections whose keys are added to those here."""
        sections: dict[str, dict[str, Any]] = {
            "model": {"name": "builtin:emotion-tiny"},
            "inference": {"workers": 1, "cache_size": 0},
            "kafka": {
                "client": client,
                "bootstrap_servers": self.proxied,
                "group_id": self.group_id,
                "input_topics": [self.input],
                "output_topic": self.output,
                "review_topic": self.review,
                "dead_letter_topic": self.dead_letter,
                "connect_timeout_s": 300,
                "delivery": delivery,
                "partition_assignor": assignor,
            },
            "batch": {"max_messages": 100},
            "server": {"port": None},
            "logging": {"format": "json"},
        }
        return {name: {**sections.get(name, {}), **changes.get(name, {})} for name in {*sections, *changes}}

    def coordinator(self) -> int | None:
        """The node that leads the workers' group now."""
        try:
            asked = AdminClient({"bootstrap.servers": self.direct}).describe_consumer_groups([self.group_id])
            found = asked[self.group_id].result(5)
        except Exception:  # noqa: BLE001 - the cluster is being hurt: then any node will do
            return None
        return found.coordinator.id if found.coordinator is not None else None


@contextmanager
def site(*, nodes: int, partitions: int = 6) -> Iterator[Site]:
    """Bring up a cluster of so many nodes with a proxy before it and fresh topics."""
    broker = start_jvm_broker(nodes=nodes, listeners={PROXIED: "PLAINTEXT"}, advertised_hosts={PROXIED: PROXY_HOST})
    with broker:
        ports = {node.id: node.ports[PROXIED] for node in broker.cluster.nodes}
        routes = {number: ((PROXY_HOST, port), (HOST, port)) for number, port in ports.items()}
        with Proxy(routes) as proxy:
            yield new_run(broker, proxy, partitions=partitions)


def new_run(broker: JvmBroker, proxy: Proxy, *, partitions: int = 6) -> Site:
    """Fresh topics and a fresh group on a cluster that is up."""
    names = [fresh(name) for name in ("texts", "out", "review", "dead")]
    create_topics(
        broker.bootstrap_servers,
        {names[0]: partitions, names[1]: partitions, names[2]: 2, names[3]: 1},
        replication_factor=broker.cluster.replication_factor,
    )
    return Site(broker, proxy, fresh("group"), *names)
