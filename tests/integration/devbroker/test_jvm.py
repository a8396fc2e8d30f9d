"""The real broker: serves, bears faults, and leaves nothing behind however its owner ends."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path
from signal import SIGKILL

import pytest
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from tests.conftest import Topics, fresh, start_jvm_broker
from tests.integration.devbroker.watching import end, gone, python, running, said
from tests.kafka_io import ToSend, produce, read_topic
from worker.devbroker.jvm import JvmBroker
from worker.devbroker.kinds import DevBrokerUnavailable
from worker.devbroker.topics import create_topics
from worker.errors import BrokerRefused

pytestmark = pytest.mark.broker

OWNER = """
import json, time
from worker.devbroker.jvm import JvmBroker

broker = JvmBroker.start()
print(json.dumps([[*broker.pids.values(), broker.supervisor_pid], str(broker.folder)]), flush=True)
time.sleep(600)
"""


@pytest.fixture(scope="module")
def owned() -> Iterator[JvmBroker]:
    """A broker that these tests may hurt."""
    with start_jvm_broker() as broker:
        yield broker


@pytest.fixture
def settings(owned: JvmBroker) -> dict[str, str]:
    return {"bootstrap.servers": owned.bootstrap_servers, "socket.timeout.ms": "2000"}


def values(broker: JvmBroker, topic: str) -> list[bytes | None]:
    return [record.value for record in read_topic(broker.bootstrap_servers, topic)]


def test_topics_are_never_made_by_themselves(jvm_broker: JvmBroker, topics: Topics) -> None:
    """A misspelt topic is unknown, as on a cluster run with care."""
    admin = AdminClient({"bootstrap.servers": jvm_broker.bootstrap_servers})

    found = admin.list_topics(topics.missing(), timeout=30).topics

    assert ["UNKNOWN_TOPIC_OR_PART"] == [topic.error.name() for topic in found.values()]


def test_a_topic_that_exists_is_refused_in_one_line(jvm_broker: JvmBroker, topics: Topics) -> None:
    """The message names the topic."""
    topic = topics("texts")

    with pytest.raises(BrokerRefused, match=topic):
        create_topics(jvm_broker.bootstrap_servers, {topic: 1})


def test_a_killed_broker_comes_back_with_its_data_on_its_port(owned: JvmBroker) -> None:
    """What was acknowledged before SIGKILL is there after the restart, at the same address."""
    topic, address, before = fresh("texts"), owned.bootstrap_servers, dict(owned.pids)
    owned.create_topics({topic: 1})
    produce(address, topic, [ToSend(b"kept")])

    owned.kill()
    was_running = owned.alive
    owned.restart()

    assert [False, True] == [was_running, owned.alive]
    assert address == owned.bootstrap_servers
    assert before != owned.pids
    assert [b"kept"] == values(owned, topic)


def test_a_stopped_broker_ended_in_order_and_comes_back(owned: JvmBroker) -> None:
    """SIGTERM lets Kafka close its logs."""
    owned.stop()
    ended_in_order = (owned.folder / "node-1" / "data" / ".kafka_cleanshutdown").exists()
    owned.restart()

    assert [True, True] == [ended_in_order, owned.alive]


def test_a_paused_broker_answers_nothing_until_it_is_resumed(owned: JvmBroker, settings: dict[str, str]) -> None:
    """A pause is a hang, not an end: the process lives and its port is open."""
    owned.pause()
    try:
        alive = owned.alive
        with pytest.raises(KafkaException):
            AdminClient(settings).list_topics(timeout=1)
    finally:
        owned.resume()

    assert alive
    assert AdminClient(settings).list_topics(timeout=30).brokers


@pytest.mark.usefixtures("jvm_broker")
def test_broker_and_data_go_with_an_owner_that_was_killed() -> None:
    """After a kill that nobody can handle there is no JVM, no supervisor and no folder."""
    with python(OWNER) as owner:
        pids, folder = said(owner)
        were_running = [running(pid) for pid in pids]

        end(owner, SIGKILL)

        assert [True, True] == were_running
        assert gone(pids, Path(folder))


@pytest.mark.usefixtures("jvm_broker")
def test_a_port_that_is_taken_is_one_line_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Kafka's own reason is passed on; no other port is taken in its place."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

        with pytest.raises(DevBrokerUnavailable, match=rf"127\.0\.0\.1:{port}: .*Address already in use") as refused:
            JvmBroker.start(port=port)

    assert "\n" not in str(refused.value)
    assert [] == list(tmp_path.iterdir())


@pytest.mark.usefixtures("jvm_broker")
def test_a_property_kafka_refuses_is_one_line() -> None:
    """The cause comes from the log of the node that ended."""
    with pytest.raises(DevBrokerUnavailable, match=r"num\.io\.threads"):
        JvmBroker.start(properties={"num.io.threads": "none"})


def test_three_nodes_bear_the_loss_of_one() -> None:
    """Replication factor 3 with two in-sync replicas: acks=all still works with a node killed, and all is there."""
    topic = fresh("texts")
    with start_jvm_broker(nodes=3) as cluster:
        cluster.create_topics({topic: 3})
        produce(cluster.bootstrap_servers, topic, [ToSend(b"before", partition=n) for n in range(3)])

        cluster.kill(2)
        produce(cluster.bootstrap_servers, topic, [ToSend(b"during", partition=n) for n in range(3)])
        cluster.restart(2)

        stored = values(cluster, topic)
        found = AdminClient({"bootstrap.servers": cluster.bootstrap_servers}).list_topics(topic, timeout=30)
        replicas = {len(partition.replicas) for partition in found.topics[topic].partitions.values()}
    assert [b"before", b"during"] * 3 == stored
    assert {3} == replicas
    assert gone(cluster.pids.values(), cluster.folder)


def test_an_added_listener_asks_for_the_password() -> None:
    """A SCRAM listener beside the plain one lets the known user in, and nobody else."""
    properties = {
        "sasl.enabled.mechanisms": "SCRAM-SHA-512",
        "listener.name.scram.scram-sha-512.sasl.jaas.config": (
            "org.apache.kafka.common.security.scram.ScramLoginModule required;"
        ),
    }
    client = {"security.protocol": "SASL_PLAINTEXT", "sasl.mechanism": "SCRAM-SHA-512", "sasl.username": "worker"}
    with start_jvm_broker(
        listeners={"SCRAM": "SASL_PLAINTEXT"}, properties=properties, scram_users={"worker": "known"}
    ) as broker:
        client["bootstrap.servers"] = broker.addresses("SCRAM")

        brokers = AdminClient({**client, "sasl.password": "known"}).list_topics(timeout=30).brokers

        with pytest.raises(KafkaException):
            AdminClient({**client, "sasl.password": "guessed"}).list_topics(timeout=2)
    assert [1] == list(brokers)
