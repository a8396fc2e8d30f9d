"""What the nodes of a development cluster are told."""

from __future__ import annotations

from pathlib import Path
from uuid import UUID

import pytest

from worker.devbroker.properties import Cluster, Node, cluster_id, render


def cluster_of(count: int, **options: dict[str, str]) -> Cluster:
    nodes = [Node(n, {"PLAINTEXT": 1000 + n, "CONTROLLER": 2000 + n, "SCRAM": 3000 + n}) for n in range(1, count + 1)]
    return Cluster(nodes, **options)


@pytest.mark.parametrize(("nodes", "replicas", "in_sync"), [(1, "1", "1"), (2, "2", "1"), (3, "3", "2"), (5, "3", "2")])
def test_replication_follows_the_number_of_nodes(nodes: int, replicas: str, in_sync: str) -> None:
    """Every replicated thing fits the cluster, and one node of three may be down."""
    cluster = cluster_of(nodes)

    properties = cluster.properties(cluster.nodes[0], data=Path("data"))

    factors = {value for key, value in properties.items() if key.endswith("replication.factor")}
    minima = {value for key, value in properties.items() if key.endswith(("min.isr", "min.insync.replicas"))}
    assert ({replicas}, {in_sync}) == (factors, minima)


def test_groups_start_at_once_and_topics_are_never_made_by_themselves() -> None:
    """A development broker does not wait for members, and a misspelt topic is an error as in production."""
    cluster = cluster_of(1)

    properties = cluster.properties(cluster.nodes[0], data=Path("data"))

    assert "0" == properties["group.initial.rebalance.delay.ms"]
    assert "false" == properties["auto.create.topics.enable"]


def test_every_node_knows_all_voters_and_only_its_own_listeners() -> None:
    """Nodes agree on the quorum; each listens on the loopback address alone."""
    cluster = cluster_of(2)

    properties = cluster.properties(cluster.nodes[1], data=Path("data"))

    assert "1@127.0.0.1:2001,2@127.0.0.1:2002" == properties["controller.quorum.voters"]
    assert "PLAINTEXT://127.0.0.1:1002,CONTROLLER://127.0.0.1:2002" == properties["listeners"]
    assert "PLAINTEXT://127.0.0.1:1002" == properties["advertised.listeners"]


def test_an_added_listener_is_advertised_with_its_protocol() -> None:
    """A cluster can offer a secured listener beside the plain one."""
    cluster = cluster_of(1, protocols={"PLAINTEXT": "PLAINTEXT", "SCRAM": "SASL_SSL"})

    properties = cluster.properties(cluster.nodes[0], data=Path("data"))

    assert "PLAINTEXT://127.0.0.1:1001,SCRAM://127.0.0.1:3001" == properties["advertised.listeners"]
    expected = "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SCRAM:SASL_SSL"
    assert expected == properties["listener.security.protocol.map"]


def test_the_callers_properties_win() -> None:
    """What the caller sets is not overruled."""
    cluster = cluster_of(1, overrides={"auto.create.topics.enable": "true"})

    properties = cluster.properties(cluster.nodes[0], data=Path("data"))

    assert "true" == properties["auto.create.topics.enable"]


def test_rendering_keeps_backslashes_and_line_breaks_inside_their_value() -> None:
    """A value cannot add a property of its own."""
    text = render({"a": "1", "b": "c:\\d", "e": "f\ng=h"})

    assert "a=1\nb=c:\\\\d\ne=f\\ng=h\n" == text


@pytest.mark.parametrize("first", ["00", "7f", "f8", "fb", "fc", "ff"])
def test_a_cluster_id_never_reads_like_an_option(first: str) -> None:
    """One UUID in 64 would start with a dash and make formatting fail."""
    text = cluster_id(UUID(first + "2" * 30))

    assert 22 == len(text)
    assert text[0].isalnum()
