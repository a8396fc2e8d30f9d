"""From a measured rate to partitions, workers and the lag at which to scale."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from worker.errors import ConfigError
from worker.sizing.advice import Wish, advise
from worker.sizing.group import useful_rate, workers_for

WISH = Wish(rate=800, peak=6_000, usual=1_500, drain_s=120)


@pytest.mark.parametrize(
    ("workers", "partitions", "useful"),
    [(1, 12, 100.0), (6, 12, 600.0), (8, 12, 600.0), (11, 12, 600.0), (12, 12, 1200.0), (20, 12, 1200.0), (0, 12, 0.0)],
)
def test_the_busiest_worker_bounds_the_group(workers: int, partitions: int, useful: float) -> None:
    """Partitions that do not divide evenly are work that nobody helps with."""
    assert useful == useful_rate(100, workers=workers, partitions=partitions)


@pytest.mark.parametrize(("load", "workers"), [(1, 1), (100, 1), (101, 2), (599, 6), (601, 12), (1201, None)])
def test_the_fewest_workers_that_do_a_load(load: float, workers: int | None) -> None:
    """Numbers of workers that bring nothing over fewer ones are left out."""
    assert workers == workers_for(load, rate=100, partitions=12)


def test_the_peak_and_what_piled_up_are_done_in_time() -> None:
    """8250 a second for a peak of 6000 and 45 s of it to be worked off in 120 s: 11 workers, 12 over 24 partitions."""
    advice = advise(WISH)

    assert (24, 3, 12) == (advice.partitions, advice.min_replicas, advice.max_replicas)
    assert advice.peak_backlog_drain_s <= WISH.drain_s


def test_a_worker_is_added_for_what_it_can_do_in_half_the_time_that_is_left() -> None:
    """(120 s - 45 s) / 2 of 800 a second."""
    assert 30_000 == advise(WISH).lag_threshold


def test_partitions_that_are_there_bound_the_workers() -> None:
    """Eight partitions: eight workers, and a note that a backlog of the peak takes longer."""
    advice = advise(replace(WISH, partitions=8))

    assert (8, 8) == (advice.partitions, advice.max_replicas)
    assert "8 partitions are too few: a burst's backlog takes 675 s to go, not 120" == advice.notes[0]
    assert "5 to 7 workers do no more than 4 over 8 partitions" in advice.notes[1]


def test_partitions_that_cannot_do_the_peak_are_told() -> None:
    """Four partitions are four workers of 800 a second: the lag grows for as long as the peak lasts."""
    advice = advise(replace(WISH, partitions=4))

    assert math.isinf(advice.peak_backlog_drain_s)
    assert "no more than the peak" in advice.notes[0]


def test_a_target_shorter_than_the_reaction_keeps_the_peaks_workers_running() -> None:
    """Scaling comes too late for ten seconds: the fewest workers are those of the peak."""
    advice = advise(replace(WISH, drain_s=10))

    assert advice.min_replicas * WISH.rate >= WISH.peak
    assert "always run" in advice.notes[-1]


def test_a_small_stream_is_one_worker() -> None:
    """Nothing is advised that a thin stream would not use."""
    advice = advise(Wish(rate=800, peak=100, usual=25, drain_s=120))

    assert (2, 1, 1) == (advice.partitions, advice.min_replicas, advice.max_replicas)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"rate": 0.0}, "rate: 0 is not a positive number"),
        ({"drain_s": math.inf}, "drain: inf is not a positive number"),
        ({"usual": 7_000.0}, "usual: 7000 a second is more than the peak of 6000"),
    ],
)
def test_nonsense_is_refused_in_one_line(wrong: dict[str, float], said: str) -> None:
    """The option is named."""
    with pytest.raises(ConfigError, match=said):
        replace(WISH, **wrong)
