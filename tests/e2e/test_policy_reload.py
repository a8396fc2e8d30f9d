"""A policy file that changes while the worker runs: taken over between two waves, refused if it is bad."""

from __future__ import annotations

import json
import threading
import urllib.request
from datetime import UTC, datetime
from pathlib import Path

import pytest

from schemas.policy import Policy, PolicyEngine, PolicyModel, dump_policy, policy_id
from schemas.rules import ArgmaxRule
from tests.conftest import Topics
from tests.e2e.processes import Way, payload, worker
from tests.kafka_io import ToSend, produce
from worker.config import Settings
from worker.devbroker.ports import free_ports
from worker.wiring import load

pytestmark = pytest.mark.broker


def policies() -> tuple[Policy, Policy]:
    """Two for builtin:emotion-tiny: one that accepts everything, one that accepts nothing."""
    engine = load(Settings.model_validate({"model": {"name": "builtin:emotion-tiny"}}))
    engine.close()
    info = engine.info
    lenient = Policy(
        schema="emostream.policy/1",
        model=PolicyModel(name=info.name, revision=info.revision),
        engine=PolicyEngine(backend=info.backend, precision=info.precision),
        task=info.task,
        labels=info.labels,
        temperature=1.0,
        rule=ArgmaxRule(min_confidence=0.0),
        created_at=datetime(2026, 1, 1, tzinfo=UTC),
    )
    return lenient, lenient.model_copy(update={"rule": ArgmaxRule(min_confidence=1.0)})


class Mounted:
    """A policy as Kubernetes mounts a ConfigMap: a link to a link to a folder; an update swaps the latter."""

    def __init__(self, folder: Path, content: str) -> None:
        self._folder = folder
        self._versions = 0
        self.swap(content)
        self.path = folder / "policy.json"
        self.path.symlink_to(Path("..data") / "policy.json")

    def swap(self, content: str) -> None:
        self._versions += 1
        version = self._folder / f"..{self._versions}"
        version.mkdir(parents=True)
        (version / "policy.json").write_text(content)
        link = self._folder / "..data_tmp"
        link.symlink_to(version.name)
        link.rename(self._folder / "..data")


@pytest.fixture
def way(topics: Topics, group_id: str) -> Way:
    return Way.made(topics, group_id)


def test_a_changed_policy_decides_whole_waves_and_a_bad_one_none(way: Way, tmp_path: Path) -> None:
    """While records flow: bad files are refused, the good one decides from some wave on; every record one outcome."""
    lenient, strict = policies()
    mounted = Mounted(tmp_path / "policy", dump_policy(lenient))
    (port,) = free_ports(1)
    config = way.config(
        tmp_path,
        decision={"policy": str(mounted.path)},
        batch={"max_messages": 40},
        server={"port": port, "host": "127.0.0.1"},
    )
    sent: list[tuple[int, int]] = []
    enough = threading.Event()

    def send() -> None:
        while not enough.wait(0.1):
            values = [json.dumps({"text": f"i feel happy, number {len(sent) + n}"}).encode() for n in range(20)]
            sent.extend(produce(way.bootstrap_servers, way.input, [ToSend(each) for each in values]))

    sender = threading.Thread(target=send)
    with worker(config) as running:
        sender.start()
        running.wait_for("wave.published", times=3)
        mounted.swap("{broken")
        running.wait_for("policy.refused", times=1)
        mounted.swap(dump_policy(lenient.model_copy(update={"labels": lenient.labels[::-1]})))
        running.wait_for("policy.refused", times=2)
        mounted.swap(dump_policy(strict))
        running.wait_for("policy.changed")
        running.wait_for("wave.published", times=running.waves() + 3)
        metrics = urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10).read().decode()
        enough.set()
        sender.join()
        running.wait_for_records(len(sent))
        running.process.terminate()
        assert 0 == running.wait()

    outcomes = way.outcomes()
    assert sorted(f"{way.input}/{partition}/{offset}" for partition, offset in sent) == sorted(outcomes.ids())
    by = {str(payload(record)["policy"]["id"]) for record in outcomes.output}  # type: ignore[index]
    by_review = {str(payload(record)["policy"]["id"]) for record in outcomes.review}  # type: ignore[index]
    assert ({policy_id(lenient)}, {policy_id(strict)}) == (by, by_review)
    for result, count in (("refused", 2.0), ("applied", 1.0)):
        assert f'emostream_policy_reloads_total{{result="{result}"}} {count}' in metrics
    waves = [json.loads(line) for line in running.log().splitlines() if '"wave.published"' in line]
    assert [] == [wave for wave in waves if wave["accepted"] and wave["abstained"]]
    assert not outcomes.misordered()
