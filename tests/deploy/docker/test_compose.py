"""docker-compose.yml on a real engine with a real Kafka: one stack, the steps in their order."""

from __future__ import annotations

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


def test_the_container_is_closed(project: Stack) -> None:
    """Read-only, without capabilities, on the host's network nowhere."""
    (worker,) = project.containers("worker")

    host = project.inspect(worker)["HostConfig"]
    assert host["ReadonlyRootfs"] is True
    assert host["CapDrop"] == ["ALL"]
    assert host["PortBindings"] in (None, {})


def test_a_killed_worker_costs_nothing(project: Stack) -> None:
    """SIGKILL in the middle of work, then started again: still one outcome each."""
    project.send(6000)
    before = len(project.way.outcomes().ids())
    until(lambda: len(project.way.outcomes().ids()) > before, "the worker is at work")

    project.compose("kill", "--signal", "KILL", "worker")
    committed = project.way.committed_to_the_end()
    project.up()

    assert not committed, "the worker was killed too late: nothing was left to do"
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
    project.compose("--profile", "*", "down", "--volumes")

    label = f"label=com.docker.compose.project={project.project}"
    left = [
        project.engine.docker(kind, "ls", "--quiet", "--filter", label) for kind in ("container", "volume", "network")
    ]
    assert ["", "", ""] == left


def test_every_profile_is_valid(project: Stack) -> None:
    """What cannot be run here is at least what Compose takes; no secret, no floating tag."""
    shown = project.compose("--profile", "*", "config")

    images = [line.split()[1] for line in shown.splitlines() if line.strip().startswith("image:")]
    assert all(":" in image and not image.endswith(":latest") for image in images)
    assert "password" not in (ROOT / "docker-compose.yml").read_text().lower().replace("no password", "")
