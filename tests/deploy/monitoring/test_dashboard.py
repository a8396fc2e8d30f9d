"""Every panel of the dashboard shows something when workers work."""

from __future__ import annotations

import json
import math
import re
import time
from collections.abc import Iterator
from itertools import cycle

import pytest

from schemas.policy import DriftBin, DriftCheck, Policy, dump_policy
from schemas.rules import ArgmaxRule
from scripts import dashboard
from scripts.chart_files import CHART
from tests.conftest import Topics
from tests.deploy.monitoring.prometheus import Prometheus, prometheus
from tests.e2e.processes import Way, worker
from tests.e2e.test_policy_reload import policies
from tests.kafka_io import ToSend, produce
from worker.demo.messages import Message, messages
from worker.devbroker.ports import free_ports
from worker.observability.catalogue import CATALOGUE

pytestmark = [pytest.mark.broker, pytest.mark.timeout(300)]

ALERTS = CHART / "files" / "alerts.yaml"
TRAFFIC_S = 15
BATCH = 300


def test_the_file_is_up_to_date() -> None:
    """After a change: python -m scripts.dashboard."""
    assert dashboard.FILE.read_text(encoding="utf-8") == json.dumps(dashboard.dashboard(), indent=1) + "\n"


def test_only_metrics_of_the_catalogue_are_asked_for() -> None:
    """By their exposed names, a histogram's with a suffix."""
    known = {entry.exposed_name for entry in CATALOGUE}
    asked = {name for _, expression in dashboard.expressions() for name in re.findall(r"emostream_\w+", expression)}

    assert {name for name in asked if re.sub(r"_(bucket|sum|count)$", "", name) not in known} == set()


def test_every_panel_shows_data(observed: Prometheus, capsys: pytest.CaptureFixture[str]) -> None:
    """From a real worker on a real broker, through a real Prometheus."""
    empty = []
    for title, expression in dashboard.expressions():
        asked = expression.replace("$__rate_interval", "10s").replace("$job", ".*")
        series = observed.query(asked)
        with capsys.disabled():
            print(f"\n{title:24} {', '.join(_shown(each) for each in series[:3])}", end="")
        if not any(math.isfinite(float(each["value"][1])) for each in series):
            empty.append((title, asked))

    assert empty == []


def test_every_alert_can_be_evaluated(observed: Prometheus) -> None:
    """On real series: no rule ends in an error."""
    rules = observed.rules()

    assert {"ok"} == {rule["health"] for rule in rules}, [rule.get("lastError") for rule in rules]


@pytest.fixture(scope="module")
def observed(jvm_broker: object, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """Scraping a worker that has had traffic of every kind for a while."""
    folder = tmp_path_factory.mktemp("observed")
    way = Way.made(Topics(jvm_broker.bootstrap_servers), "observed")  # type: ignore[attr-defined]
    (port,) = free_ports(1)
    policy = folder / "policy.json"
    policy.write_text(dump_policy(_watching(policies()[0])))
    config = way.config(folder, server={"host": "127.0.0.1", "port": port}, decision={"policy": str(policy)})
    with worker(config) as started, prometheus(folder, targets=[f"127.0.0.1:{port}"], rules=ALERTS) as scraping:
        started.wait_for("worker.started")
        ends = time.monotonic() + TRAFFIC_S
        coming = cycle(_batches(messages(6000)))  # texts that the worker has not seen: repeated ones need no model
        while time.monotonic() < ends:
            produce(way.bootstrap_servers, way.input, next(coming))
            time.sleep(0.5)
        yield scraping


def _watching(policy: Policy) -> Policy:
    """Unsure, so that there is something to review, and with an eye on drift."""
    usual = [DriftBin(confidence_below=bound, share=share, least=0, most=1) for bound, share in ((0.9, 0.3), (1, 0.7))]
    check = DriftCheck(bins=tuple(usual), false_alarms_per_day=0.01, void_guarantee=False)
    return policy.model_copy(update={"rule": ArgmaxRule(min_confidence=0.9), "drift": check})


def _batches(sent: list[Message]) -> Iterator[list[ToSend]]:
    for start in range(0, len(sent), BATCH):
        yield [ToSend(each.value, key=each.key) for each in sent[start : start + BATCH]]


def _shown(series: dict[str, object]) -> str:
    labels = {name: text for name, text in series["metric"].items() if name not in ("instance", "job", "__name__")}  # type: ignore[attr-defined]
    value = float(series["value"][1])  # type: ignore[index]
    return f"{' '.join(labels.values())} {value:.4g}".strip()
