"""Workers under a fixed schedule of faults; `python -m tests.chaos` runs longer ones."""

from __future__ import annotations

from concurrent.futures import Future

import pytest

from tests.chaos.run import Report
from tests.chaos.schedule import Kind

pytestmark = [pytest.mark.broker, pytest.mark.timeout(400)]

Runs = dict[str, Future[Report]]

PROMISED_PROGRESS_S = 10.0


def test_one_broker_exactly_once(runs: Runs) -> None:
    """A broker away for 30 s, a killed worker, a stalled and a half-open network, a crowd of workers: all once."""
    report = runs["one node"].result()

    assert report.verdict.exactly_once, report
    assert report.deaths == []
    assert set(report.exits) == {0}


def test_three_brokers_at_least_once(runs: Runs) -> None:
    """A killed coordinator, a zombie, reset connections: nothing lost, nothing out of order but repeats."""
    report = runs["three nodes"].result()

    assert report.verdict.at_least_once, report
    assert report.deaths == []
    assert set(report.exits) == {0}


@pytest.mark.parametrize("name", ["one node", "three nodes"])
def test_every_fault_was_recovered_from(runs: Runs, name: str) -> None:
    """The run went through its whole schedule, and had caught up after each fault before the next."""
    report = runs[name].result()

    assert len(report.hurts) == {"one node": 5, "three nodes": 4}[name]
    assert all(hurt.recovered for hurt in report.hurts)


def test_first_progress_after_an_outage(runs: Runs) -> None:
    """Within 10 s of the broker's return, by the same processes."""
    report = runs["one node"].result()

    (outage,) = [hurt for hurt in report.hurts if hurt.fault.kind is Kind.BROKER_OUTAGE]
    assert outage.progress_s <= PROMISED_PROGRESS_S
    assert report.deaths == []
