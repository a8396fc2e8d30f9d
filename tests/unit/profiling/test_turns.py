"""Turns: who is measured when, and over what."""

from __future__ import annotations

import pytest

from tests.unit.profiling.engines import TimedEngine
from worker.profiling.turns import Measurement, run_turn, take_turns, waves_of
from worker.testing import FakeClock

TEXTS = [f"text {number}" for number in range(1200)]


def test_waves_are_full() -> None:
    """Two of 512; what is left over would be another kind of wave."""
    assert [512, 512] == [len(wave) for wave in waves_of(TEXTS)]


def test_a_few_texts_are_one_wave() -> None:
    """A small file can be measured, too."""
    assert [TEXTS[:5]] == list(waves_of(TEXTS[:5]))


def test_a_turn_ends_with_the_wave_in_which_its_time_is_up() -> None:
    """Half a wave is not measured, and the texts come round again."""
    clock = FakeClock()

    turn = run_turn(TimedEngine(clock, rate=512.0), waves_of(TEXTS), seconds=2.5, clock=clock)

    assert (3 * 512, 3.0) == (turn.texts, pytest.approx(turn.seconds))


def test_a_slow_engine_is_measured_over_one_wave() -> None:
    """However little time there is."""
    clock = FakeClock()

    turn = run_turn(TimedEngine(clock, rate=1.0), waves_of(TEXTS), seconds=0.1, clock=clock)

    assert (512, pytest.approx(1.0)) == (turn.texts, turn.rate)


def test_engines_take_turns_and_each_is_first_once() -> None:
    """What the machine does meanwhile meets all of them."""
    clock = FakeClock()
    engines = [TimedEngine(clock, rate=rate) for rate in (100.0, 200.0, 400.0)]
    order: list[tuple[int, int]] = []

    taken = take_turns(
        engines, waves_of(TEXTS), seconds=1.0, clock=clock, begun=lambda which, done: order.append((which, done))
    )

    assert [(0, 0), (1, 1), (2, 2), (1, 3), (2, 4), (0, 5), (2, 6), (0, 7), (1, 8)] == order
    assert [[100, 100, 100], [200, 200, 200], [400, 400, 400]] == [
        [round(turn.rate) for turn in turns] for turns in taken
    ]


def test_a_measurement_is_the_median_of_its_turns(timed: Measurement) -> None:
    """One bad turn moves the spread, not the rate."""
    assert (100, 10, 110) == (timed.rate, timed.slowest, timed.fastest)
    assert 1.0 == timed.spread
