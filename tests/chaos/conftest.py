"""Everything that takes long because it waits is under way at once, begun by the first test that needs any of it."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.chaos.run import Report, run
from tests.chaos.schedule import Fault, Kind
from tests.chaos.site import site
from tests.chaos.trials import TRIALS, Ground, Trial
from worker.devbroker.jvm import JvmBroker

AT_ONCE = 5
"""More would wait for the processor instead: starting a worker costs two seconds of it."""

ONE_NODE = (
    Fault(Kind.BROKER_OUTAGE, 30, 0),
    Fault(Kind.NETWORK_STALL, 10, 0),
    Fault(Kind.WORKER_KILL, 0.5, 0),
    Fault(Kind.NETWORK_HALF_OPEN, 4, 0),
    Fault(Kind.WORKERS_JOIN_AND_LEAVE, 10, 0.5),
)
THREE_NODES = (
    Fault(Kind.COORDINATOR_KILL, 3, 0),
    Fault(Kind.WORKER_ZOMBIE, 13, 0.5),
    Fault(Kind.NETWORK_CUT, 0.1, 0),
    Fault(Kind.WORKER_TERM, 0.5, 0.7),
)


@pytest.fixture(scope="session")
def under_way(
    jvm_broker: JvmBroker, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[dict[str, Future[Trial]], dict[str, Future[Report]]]]:
    """The trials and the two runs; each test waits for its own."""
    ground = Ground(jvm_broker, tmp_path_factory.mktemp("odd"))
    with ThreadPoolExecutor(AT_ONCE) as pool:
        runs = {
            "one node": pool.submit(
                _run, tmp_path_factory.mktemp("one"), 1, ONE_NODE, "exactly-once", "cooperative-sticky"
            ),
            "three nodes": pool.submit(
                _run, tmp_path_factory.mktemp("three"), 3, THREE_NODES, "at-least-once", "range"
            ),
        }
        yield {name: pool.submit(trial, ground) for name, trial in TRIALS.items()}, runs


@pytest.fixture(scope="session")
def trials(under_way: tuple[dict[str, Future[Trial]], object]) -> dict[str, Future[Trial]]:
    return under_way[0]


@pytest.fixture(scope="session")
def runs(under_way: tuple[object, dict[str, Future[Report]]]) -> dict[str, Future[Report]]:
    return under_way[1]


def _run(folder: Path, nodes: int, faults: tuple[Fault, ...], delivery: str, assignor: str) -> Report:
    with site(nodes=nodes) as place:
        return run(place, folder, faults=faults, seed=1, delivery=delivery, assignor=assignor)
