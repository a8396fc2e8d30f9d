"""The rules of KEDA's trigger and of the horizontal pod autoscaler, one by one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from worker.sizing.autoscaler import CHART_DOWN, CHART_UP, Autoscaler, Behaviour, Scaling, Step
from worker.sizing.comparison import CHART_POLLING_S

CHART = Path(__file__).parents[3] / "helm" / "emostream" / "values.yaml"
TEN = Scaling(partitions=10, lag_threshold=100, min_replicas=1, max_replicas=10)


@pytest.mark.parametrize(
    ("replicas", "lag", "wanted"),
    [
        (1, 0, 1),
        (1, 105, 1),  # within a tenth
        (1, 115, 2),
        (4, 500, 5),
        (4, 430, 4),  # within a tenth
        (4, 1_000_000, 8),  # doubled, or four more, in 15 s
        (8, 1_000_000, 10),
    ],
)
def test_replicas_follow_the_lag(replicas: int, lag: float, wanted: int) -> None:
    """ceil(lag / lagThreshold), unless it is within the tolerance, at most so many more in a period."""
    assert wanted == Autoscaler(TEN, replicas=replicas).look(0.0, lag)


def test_the_lag_counts_for_no_more_workers_than_partitions() -> None:
    """KEDA cuts it at lagThreshold x partitions, whatever the most replicas are."""
    scaler = Autoscaler(Scaling(partitions=3, lag_threshold=10, max_replicas=100), replicas=3)

    wanted = [scaler.look(15.0 * step, 1e6) for step in range(10)]

    assert [3] * 10 == wanted


def test_nobody_leaves_before_the_lag_was_small_for_the_window() -> None:
    """The highest recommendation of the last 300 s counts."""
    scaler = Autoscaler(TEN, replicas=6)
    scaler.look(0.0, 600)

    wanted = {at: scaler.look(float(at), 0) for at in range(15, 331, 15)}

    assert {6} == {replicas for at, replicas in wanted.items() if at <= 300}
    assert 1 == wanted[330]


def test_a_policy_bounds_how_fast_workers_leave() -> None:
    """50 percent in 120 s: 8, 4, 2, 1."""
    down = Behaviour((Step(120, percent=50),))
    scaler = Autoscaler(
        Scaling(partitions=10, lag_threshold=100, min_replicas=1, max_replicas=10, down=down), replicas=8
    )

    wanted = [scaler.look(float(at), 0) for at in range(0, 361, 15)]

    assert [8, 4, 2, 1] == sorted({8, *wanted}, reverse=True)
    assert (4, 2) == (wanted[7], wanted[8])


def test_a_policy_bounds_how_fast_workers_come() -> None:
    """At most four more in 60 s, counted from what there was 60 s ago."""
    up = Behaviour((Step(60, pods=4),))
    scaler = Autoscaler(Scaling(partitions=20, lag_threshold=1, min_replicas=1, max_replicas=20, up=up), replicas=1)

    wanted = [scaler.look(float(at), 1e6) for at in range(0, 121, 15)]

    assert [5, 5, 5, 5, 9, 9, 9, 9, 13] == wanted


def test_none_run_after_the_cooldown_and_one_comes_back() -> None:
    """From 0 and to 0 is KEDA's own doing, at its polling interval."""
    scaler = Autoscaler(Scaling(partitions=4, lag_threshold=100), replicas=0)

    wanted = {at: scaler.look(float(at), 50 if 30 <= at < 60 else 0) for at in range(0, 361, 15)}

    assert (0, 1, 1, 0) == (wanted[0], wanted[30], wanted[315], wanted[345])


def test_the_charts_behaviour_is_what_is_simulated() -> None:
    """keda.behavior and keda.pollingInterval in values.yaml say the same as the constants here."""
    keda = yaml.safe_load(CHART.read_text(encoding="utf-8"))["keda"]

    behaviour = keda["behavior"]
    assert (CHART_UP, CHART_DOWN) == (_behaviour(behaviour["scaleUp"]), _behaviour(behaviour["scaleDown"]))
    assert CHART_POLLING_S == keda["pollingInterval"]


def _behaviour(rules: dict[str, Any]) -> Behaviour:
    steps = tuple(
        Step(each["periodSeconds"], **{{"Pods": "pods", "Percent": "percent"}[each["type"]]: each["value"]})
        for each in rules["policies"]
    )
    return Behaviour(steps, rules["stabilizationWindowSeconds"])
