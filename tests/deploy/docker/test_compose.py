"""docker-compose.yml on a real engine with a real Kafka: one stack, the steps in their order."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterator

import pytest

from tests.deploy.docker.engine import Engine
from tests.deploy.docker.images import ROOT
from tests.deploy.docker.stack import Stack, stack, until

pytestmark = pytest.mark.timeout(900)


@pytest.fixture(scope="module")
def project(docker: Engine, kafka_image: str, worker_image: str) -> Iterator[Stack]:
    with stack(docker) as made:
        yield made


def _exactly_once(project: Stack) -> None:
    outcomes = project.outcomes()
    assert {1: project.sent} == dict(Counter(Counter(outcomes.ids()).values()))
    assert outcomes.misordered() == []
    assert outcomes.dead_letter


def test_up_brings_a_worker_that_is_healthy_and_works(project: Stack) -> None:
    """From nothing to the first event, images being there."""
    up_s = project.up()
    project.send(500)
    first_s = until(lambda: bool(project.way.outcomes().output), "the first enriched event")

    print(f"\nup --wait: {up_s:.1f} s; to the first event: {up_s + first_s:.1f} s")
    (worker,) = project.containers("worker")
    assert project.inspect(worker)["State"]["Health"]["Status"] == "healthy"
    _exactly_once(project)


def test_a_text_goes_in_and_an_event_comes_out_by_kafkas_own_tools(project: Stack) -> None:
    """As README shows it."""
    tools = ("exec", "-T", "kafka", "bash", "-c", '/opt/kafka/bin/"$0" --bootstrap-server kafka:9092 "$@"')
    producer = ("kafka-console-producer.sh", "--topic", "texts")
    consumer = ("kafka-console-consumer.sh", "--topic", "texts.enriched", "--from-beginning", "--max-messages", "1")

    project.compose(*tools, *producer, stdin=b'{"text": "i feel so lucky to have friends"}\n')
    project.sent += 1
    event = project.compose(*tools, *consumer, "--isolation-level", "read_committed")

    assert json.loads(event)["schema"] == "emostream.enriched/1"
    _exactly_once(project)


def test_the_container_is_closed(project: Stack) -> None:
    """Read-only, without capabilities, on the host's network nowhere."""
    (worker,) = project.containers("worker")

    host = project.inspect(worker)["HostConfig"]
    assert host["ReadonlyRootfs"] is True
    assert host["CapDrop"] == ["ALL"]
    assert host["PortBindings"] in (None, {})


def test_a_killed_worker_costs_nothing(project: Stack) -> None:
    """SIGKILL in the middle of work, then started again: still one outcome each."""
    for count in (6_000, 12_000, 24_000, 48_000):  # as many as this machine needs to be still at it
        (worker,) = project.containers("worker")
        project.signal(worker, "STOP")
        project.send(count)
        before = project.published()
        project.signal(worker, "CONT")
        until(lambda before=before: project.published() > before, "the worker is at work")
        project.signal(worker, "KILL")
        in_the_middle = not project.way.committed_to_the_end()
        project.up()
        if in_the_middle:
            break

    assert in_the_middle, "the worker was killed too late: nothing was left to do"
    _exactly_once(project)


def test_stop_drains_within_the_budget(project: Stack) -> None:
    """`docker stop` under load: exit 0 before the grace period ends."""
    project.send(3000)
    (worker,) = project.containers("worker")

    began = time.monotonic()
    project.compose("stop", "worker")
    stop_s = time.monotonic() - began

    state = project.inspect(worker)["State"]
    print(f"\nstop: {stop_s:.1f} s")
    assert (state["ExitCode"], state["OOMKilled"]) == (0, False)


def test_three_workers_share_the_partitions(project: Stack) -> None:
    """All healthy, everything once."""
    project.up("--scale", "worker=3")
    workers = project.containers("worker")

    project.send(3000)

    assert len(workers) == 3
    assert {project.inspect(each)["State"]["Health"]["Status"] for each in workers} == {"healthy"}
    _exactly_once(project)


def test_the_demo_profile_sends_texts(project: Stack) -> None:
    """Whose outcomes come out."""
    before = len(project.way.outcomes().ids())

    project.compose("--profile", "demo", "up", "--detach", "--no-build", "--no-recreate", "producer")

    until(lambda: len(project.way.outcomes().ids()) > before + 20, "the producer's texts come out")
    project.compose("--profile", "demo", "stop", "producer")


def test_down_leaves_nothing(project: Stack) -> None:
    """No container, volume or network of the project."""
    project.up("--force-recreate")  # what is replaced must not leave volumes without a name behind
    project.compose("--profile", "*", "down", "--volumes")

    label = f"label=com.docker.compose.project={project.project}"
    left = [
        project.engine.docker(kind, "ls", "--quiet", "--filter", label) for kind in ("container", "volume", "network")
    ]
    assert ["", "", ""] == left
    assert project.engine.docker("volume", "ls", "--quiet").split() == project.volumes_before


def test_every_profile_is_valid(project: Stack) -> None:
    """What cannot be run here is at least what Compose takes; no secret, no floating tag."""
    shown = project.compose("--profile", "*", "config")

    images = [line.split()[1] for line in shown.splitlines() if line.strip().startswith("image:")]
    assert all(":" in image and not image.endswith(":latest") for image in images)
    assert "password" not in (ROOT / "docker-compose.yml").read_text().lower().replace("no password", "")
