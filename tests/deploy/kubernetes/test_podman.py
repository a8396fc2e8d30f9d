"""What the chart renders really runs: its Deployment and ConfigMap under podman, against a real broker."""

from __future__ import annotations

import copy
import json
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from tests.conftest import Topics
from tests.deploy.docker.engine import Engine
from tests.deploy.docker.stack import until
from tests.deploy.kubernetes.podman import Podman, podman
from tests.deploy.rendering import render
from tests.e2e.processes import Way
from tests.kafka_io import ToSend, produce
from worker.demo.messages import messages
from worker.devbroker.ports import free_ports

pytestmark = [pytest.mark.broker, pytest.mark.timeout(900)]

COUNT = 500


@pytest.fixture(scope="module")
def runtime() -> Iterator[Podman]:
    with podman() as made:
        yield made


@pytest.fixture(scope="module")
def image(runtime: Podman, docker: Engine, worker_image: str) -> str:
    return runtime.take(docker, worker_image)


def test_the_rendered_deployment_works_and_stops_cleanly(
    runtime: Podman, image: str, jvm_broker: Any, group_id: str
) -> None:
    """Closed as it is rendered: another uid, a read-only root, no capabilities; everything sent comes out once."""
    way = Way.made(Topics(jvm_broker.bootstrap_servers), group_id)
    (port,) = free_ports(1)
    objects = _playable(way, image, port)
    produce(way.bootstrap_servers, way.input, [ToSend(each.value, key=each.key) for each in messages(COUNT)])

    began = time.monotonic()
    with runtime.playing(objects) as worker:
        until(way.committed_to_the_end, "all that was sent is committed")
        done_s = time.monotonic() - began
        health = runtime("exec", worker, "emostream", "health", "--ready", "--url", f"http://127.0.0.1:{port}")
        (inspected,) = json.loads(runtime("inspect", worker))
        runtime("stop", "--time", "45", worker)
        (stopped,) = json.loads(runtime("inspect", worker))

    print(f"\nkube play to all {COUNT} outcomes: {done_s:.1f} s; health: {health.strip()}")
    assert {1: COUNT} == dict(Counter(Counter(way.outcomes().ids()).values()))
    assert inspected["Config"]["User"] == "10001:10001"
    assert inspected["HostConfig"]["ReadonlyRootfs"] is True
    assert inspected["EffectiveCaps"] in (None, [])
    assert stopped["State"]["ExitCode"] == 0


def _playable(way: Way, image: str, port: int) -> list[dict[str, Any]]:
    """As rendered but for the host's network, where the broker is, and what podman cannot: ports, probes by HTTP."""
    repository, _, tag = image.rpartition(":")
    config = {
        "model": {"name": "builtin:emotion-tiny"},
        "kafka": {
            "bootstrap_servers": way.bootstrap_servers,
            "group_id": way.group_id,
            "input_topics": [way.input],
            "output_topic": way.output,
            "review_topic": way.review,
            "dead_letter_topic": way.dead_letter,
        },
        "server": {"port": port},
    }
    rendered = render({"image": {"repository": repository, "tag": tag}, "config": config})
    deployment = copy.deepcopy(rendered.the("Deployment"))
    pod = deployment["spec"]["template"]["spec"]
    pod["hostNetwork"] = True
    for left_out in ("ports", "startupProbe", "livenessProbe", "readinessProbe"):
        del pod["containers"][0][left_out]
    return [rendered.the("ConfigMap"), deployment]
