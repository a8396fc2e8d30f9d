"""How often the drift check cries wolf, and how soon it sees a change, on confidences of real texts."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from worker.decision.drift import DAY_S, DriftWatch
from worker.learning.drift_reference import drift_check

Numbers = NDArray[np.float64]

SEED = 4
WAVE = 512
REFERENCE = 1000
STREAMS, STREAM = 100, 10_000
"""Unchanged traffic: a million records in all, a hundred references and a day for each."""
FALSE_ALARMS_PER_DAY = 0.01
FOREIGN_SHARES = (1.0, 0.5, 0.2, 0.1)
REPEATS = 20
LONGEST = 100_000


def drift_study(usual: Numbers, foreign: Numbers) -> dict[str, Any]:
    """Confidences of texts of the domain, and of foreign ones. `alarms`: streams of unchanged records with an alarm.
    `records_to_alarm`: by the share of foreign texts, the median number of records until the alarm (None: none)."""
    rng = np.random.default_rng(SEED)
    alarms = [_first_alarm(_watch(rng, usual), rng.choice(usual, STREAM)) is not None for _ in range(STREAMS)]
    needed = {}
    for share in FOREIGN_SHARES:
        found = [_first_alarm(_watch(rng, usual), _mixed(rng, usual, foreign, share)) for _ in range(REPEATS)]
        seen = [each for each in found if each is not None]
        needed[f"{share:g}"] = int(np.median(seen)) if len(seen) > REPEATS / 2 else None
    return {
        "records": STREAMS * STREAM,
        "streams": STREAMS,
        "alarms": sum(alarms),
        "stated_per_day": FALSE_ALARMS_PER_DAY,
        "records_to_alarm": needed,
        "psi": _psi_over_time(rng, usual, foreign),
    }


def _watch(rng: np.random.Generator, usual: Numbers) -> DriftWatch:
    reference = rng.choice(usual, REFERENCE)
    return DriftWatch(drift_check(reference, false_alarms_per_day=FALSE_ALARMS_PER_DAY))


def _mixed(rng: np.random.Generator, usual: Numbers, foreign: Numbers, share: float) -> Numbers:
    strange = rng.random(LONGEST) < share
    return np.where(strange, rng.choice(foreign, LONGEST), rng.choice(usual, LONGEST))


def _first_alarm(watch: DriftWatch, stream: Numbers) -> int | None:
    """After how many records; None without an alarm."""
    for start in range(0, len(stream), WAVE):
        wave = stream[start : start + WAVE]
        if watch.observe(wave, wave, now=DAY_S).alarm:
            return start + len(wave)
    return None


def _psi_over_time(rng: np.random.Generator, usual: Numbers, foreign: Numbers) -> list[tuple[int, float, bool]]:
    """PSI and alarm, wave by wave: 20 000 usual records, then 20 000 of which a fifth is foreign."""
    watch = _watch(rng, usual)
    stream = np.concatenate([rng.choice(usual, 20_000), _mixed(rng, usual, foreign, 0.2)[:20_000]])
    steps = []
    for start in range(0, len(stream), WAVE):
        wave = stream[start : start + WAVE]
        state = watch.observe(wave, wave, now=DAY_S)
        steps.append((state.records, round(state.psi, 4), state.alarm))
    return steps
