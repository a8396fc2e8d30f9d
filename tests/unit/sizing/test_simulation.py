"""A day of a scaled group: nothing is lost, changes cost what they cost, and the advice keeps its target."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest

from worker.sizing.__main__ import example, refreshed
from worker.sizing.autoscaler import Scaling
from worker.sizing.comparison import ADVISED, EXAMPLE, KEDA_DEFAULTS, Comparison, duration
from worker.sizing.figure import draw
from worker.sizing.simulation import Costs, simulate
from worker.sizing.traffic import bursty_day

DOCS = Path(__file__).parents[3] / "docs"
COSTS = Costs(rate=100, start_s=10, rebalance_s=5, in_hand_s=0.0)


def fixed(workers: int, partitions: int = 12) -> Scaling:
    """A group that is not scaled."""
    return Scaling(partitions=partitions, min_replicas=workers, max_replicas=workers, lag_threshold=10**9)


@pytest.fixture(scope="module")
def compared() -> Comparison:
    """The day that the docs show."""
    return example()


def test_a_group_that_is_large_enough_keeps_up() -> None:
    """Six workers of 100 a second and 590 a second: nothing lies at the end of any step."""
    day = simulate(np.full(100, 590.0), fixed(6), COSTS, late_after_s=60)

    assert (0.0, 0.0, 0, 0.0) == (day.lag.max(), day.oldest_s.max(), day.rebalances, day.late)


def test_what_a_group_cannot_do_piles_up() -> None:
    """700 a second against 600: 100 more every second, and the oldest waits for a seventh of the time."""
    day = simulate(np.full(100, 700.0), fixed(6), COSTS, late_after_s=60)

    assert 100.0 * 500 == pytest.approx(day.lag[-1])
    assert 500 / 7 == pytest.approx(day.oldest_s[-1], abs=5)


def test_workers_without_a_partition_of_their_own_do_not_help() -> None:
    """Eight workers over twelve partitions do little more than six: four are idle half of the time."""
    day = simulate(np.full(400, 700.0), fixed(8), COSTS, late_after_s=60)

    useful = 700.0 - day.lag[-1] / (400 * 5)
    assert 600 < useful < 680


def test_a_change_of_the_group_stops_all_of_it() -> None:
    """One worker becomes two: after 10 s of start everybody stands still for 5 s, and that much more lies there."""
    scaling = Scaling(partitions=12, min_replicas=1, max_replicas=2, lag_threshold=10)

    day = simulate(np.full(12, 150.0), scaling, COSTS, late_after_s=600)

    assert 1 == day.rebalances
    grown = np.diff(day.lag)
    assert 150.0 * 5 == pytest.approx(grown.max())


def test_the_same_seed_is_the_same_day() -> None:
    """Bursts and noise come from the seed; the peak is the peak."""
    days = [bursty_day(peak=1000, usual=200, seed=seed) for seed in (1, 1, 2)]

    assert np.array_equal(days[0], days[1])
    assert not np.array_equal(days[0], days[2])
    assert days[0].max() <= 1000
    assert 200 == pytest.approx(np.median(days[0]), rel=0.35)


def test_the_advice_keeps_its_target_for_a_fraction_of_the_pods(compared: Comparison) -> None:
    """No record is later than the target, at less than a third of what always running the most costs."""
    ours, most = compared.days[ADVISED][1], compared.days["always the most"][1]

    assert 0.0 == ours.late
    assert ours.oldest_s.max() < EXAMPLE.drain_s
    assert ours.pod_hours < most.pod_hours / 3


def test_kedas_defaults_keep_the_most_running(compared: Comparison) -> None:
    """A threshold of 10 takes what every worker has in hand for a lag: five times the pods of the advice."""
    ours, defaults = compared.days[ADVISED][1], compared.days[KEDA_DEFAULTS][1]

    assert defaults.pod_hours > 5 * ours.pod_hours


@pytest.mark.parametrize("page", ["operating.md"])
def test_the_docs_show_what_the_simulation_says(compared: Comparison, page: str) -> None:
    """`make docs` would change nothing: table and figure."""
    text = (DOCS / page).read_text(encoding="utf-8")
    figure = (DOCS / "figures" / "scaling.svg").read_text(encoding="utf-8")

    assert refreshed(text, compared) == text
    assert draw(compared) == figure


def test_the_figure_is_well_formed(compared: Comparison) -> None:
    """An XML parser reads it, and no coordinate is missing."""
    root = ET.fromstring(draw(compared))

    assert root.tag.endswith("svg")
    assert "nan" not in draw(compared)


@pytest.mark.parametrize(
    ("seconds", "said"), [(0, "0 s"), (119, "119 s"), (120, "2 min"), (7199, "120 min"), (9000, "2.5 h")]
)
def test_durations_are_said_in_their_unit(seconds: float, said: str) -> None:
    """Seconds, minutes or hours."""
    assert said == duration(seconds)
