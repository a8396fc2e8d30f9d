from __future__ import annotations

import numpy as np
import pytest

from schemas.policy import DriftBin, DriftCheck
from tests.unit.decision.cases import argmax, model, policy, scores
from worker.decision.drift import DAY_S, DriftState, DriftWatch
from worker.decision.evidence import Evidence
from worker.decision.policy import rule_for
from worker.records import Outcome

SHARES = (0.05, 0.15, 0.3, 0.5)
EDGES = (0.5, 0.8, 0.95, 1.0)
WAVE = 500


def check(*, slack: float = 0.03, void: bool = False, rate: float = 0.01) -> DriftCheck:
    bins = tuple(
        DriftBin(confidence_below=edge, share=share, least=max(0.0, share - slack), most=min(1.0, share + slack))
        for edge, share in zip(EDGES, SHARES, strict=True)
    )
    return DriftCheck(bins=bins, false_alarms_per_day=rate, void_guarantee=void)


def confidences(shares: tuple[float, ...], texts: int, seed: int) -> np.ndarray:
    middles = np.array([0.3, 0.7, 0.9, 0.97])
    return np.random.default_rng(seed).choice(middles, p=shares, size=texts)


def watched(watch: DriftWatch, stream: np.ndarray, *, day: int = 0) -> DriftState:
    for wave in np.split(stream, range(WAVE, len(stream), WAVE)):
        watch.observe(wave, wave, now=day * DAY_S + 1.0)
    return watch.state()


def test_a_million_unchanged_records_raise_no_alarm() -> None:
    """Even where the true shares lie at the very ends of their intervals, where a false alarm is most likely."""
    at_the_ends = (0.08, 0.12, 0.33, 0.47)
    alarms = 0
    for day, stream in enumerate(np.split(confidences(at_the_ends, 1_000_000, seed=1), 20)):
        watch = DriftWatch(check())
        alarms += watched(watch, stream, day=day).alarm

    assert 0 == alarms


def test_false_alarms_are_as_rare_as_stated() -> None:
    """200 days of 10 000 records at the ends of the intervals: at a stated rate of 0.2 far from 40 alarms."""
    streams = np.split(confidences((0.08, 0.12, 0.33, 0.47), 2_000_000, seed=2), 200)

    alarms = sum(watched(DriftWatch(check(rate=0.2)), stream).alarm for stream in streams)

    assert alarms <= 20


@pytest.mark.parametrize("shares", [(0.3, 0.4, 0.2, 0.1), (0.05, 0.05, 0.05, 0.85), (0.15, 0.15, 0.3, 0.4)])
def test_changed_traffic_raises_the_alarm(shares: tuple[float, ...]) -> None:
    """Less sure, surer, or only one bin: seen within a few thousand records, also in the middle of a day."""
    watch = DriftWatch(check())
    watched(watch, confidences(SHARES, 50_000, seed=3))
    assert watch.stands

    state = watched(watch, confidences(shares, 5_000, seed=4))

    assert state.alarm
    assert state.psi > 0.05


def test_an_alarm_stays_until_the_worker_is_started_again() -> None:
    """A quiet day does not restore a promise."""
    watch = DriftWatch(check())
    watched(watch, confidences((0.6, 0.2, 0.1, 0.1), 5_000, seed=5))

    assert watched(watch, confidences(SHARES, 5_000, seed=6), day=1).alarm


def test_expected_accuracy_is_the_mean_probability_of_the_answers() -> None:
    """Without labels, by calibrated probabilities."""
    watch = DriftWatch(check())

    state = watch.observe(np.full(4, 0.9), np.array([0.9, 0.7, 0.8, 0.8]), now=0.0)

    assert pytest.approx(0.8) == state.expected_accuracy
    assert 4 == state.records


def test_bins_that_are_certain_are_not_bet_on() -> None:
    """A share that may be 0 or 1 says nothing, and breaks nothing."""
    bins = (DriftBin(confidence_below=1.0, share=1.0, least=0.9, most=1.0),)
    watch = DriftWatch(DriftCheck(bins=bins, false_alarms_per_day=0.01, void_guarantee=False))

    assert not watched(watch, np.ones(10_000)).alarm


@pytest.mark.parametrize(("void", "outcome"), [(True, Outcome.ABSTAINED), (False, Outcome.ACCEPTED)])
def test_after_an_alarm_events_say_that_the_guarantee_does_not_stand(void: bool, outcome: Outcome) -> None:
    """And nothing is accepted, if the policy says so."""
    decider = rule_for(model(), policy(argmax(0.0)), min_confidence=0)
    watch = DriftWatch(check(void=void))
    rows = scores(*[(0.4, 0.3, 0.3)] * 1000)
    evidence = Evidence(rows, [np.zeros(1, np.int32)] * 1000, np.zeros(1000, np.bool_))

    waves = [decider.decide_wave(evidence, watch=watch, now=float(second)) for second in range(3)]

    first, last = waves[0].decisions[0], waves[-1].decisions[0]
    assert (Outcome.ACCEPTED, True) == (first.outcome, first.guarantee_stands)
    assert (outcome, False) == (last.outcome, last.guarantee_stands)
    assert (("guarantee_void",) if void else ()) == last.reasons
