"""Whether live traffic still looks like the texts that a policy was calibrated on; asked wave by wave. Pure.

A guarantee holds for texts like those it was calibrated on (exchangeability). Labels would be needed to see it fail;
the confidences are what can be watched without them. The test below knows that the reference itself is a sample:

- the true share of every bin lies in its interval (`least` to `most`; Clopper-Pearson, made with the policy) with a
  probability of error of f/2 for all bins together;
- against each end of each interval stands a bet (Waudby-Smith & Ramdas 2024): capital that can be expected to grow
  only if the live share is outside. By Ville's inequality the mean capital reaches 2/f on a day with a probability of
  f/2 at most, however often it is looked at.

So an alarm on a day on which nothing has changed has probability f at most. Records must be exchangeable: bursts of
near-identical texts are a change to this test.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from schemas.policy import DriftCheck
from worker.decision.confidence import Confidence

DAY_S = 86_400.0
MEMORY = 2_000
"""Records over which live shares are averaged: what a bet, PSI and the expected accuracy look at."""
SURE = 0.999
"""No bet goes further than this: all would be lost on the first surprise."""


@dataclass(frozen=True, slots=True)
class DriftState:
    """What the watch sees now. `psi`: population stability index of the last `MEMORY` records or so against the
    reference (below 0.1 is usually read as unchanged, above 0.25 as changed). `alarm`: since this worker started.
    `expected_accuracy`: mean probability of the most likely label, what accuracy would be were it calibrated (CBPE)."""

    records: int
    psi: float
    expected_accuracy: float
    alarm: bool


class DriftWatch:
    """One worker's view of its own traffic; starts anew with the worker. Not thread-safe."""

    def __init__(self, check: DriftCheck) -> None:
        self._edges = np.array([each.confidence_below for each in check.bins[:-1]])
        self._reference = np.array([each.share for each in check.bins])
        self._most = np.array([each.most for each in check.bins])
        self._least = np.array([each.least for each in check.bins])
        self._enough = 2.0 / check.false_alarms_per_day
        self._voids = check.void_guarantee
        self._live = self._reference.copy()
        self._accuracy = np.nan
        self._capital = np.zeros(2 * len(check.bins))
        self._day = -1
        self._records = 0
        self._alarm = False

    @property
    def stands(self) -> bool:
        """Whether the guarantee may be relied on: no alarm yet."""
        return not self._alarm

    @property
    def accepts(self) -> bool:
        """Whether anything may be accepted: false after an alarm that voids the guarantee."""
        return self.stands or not self._voids

    def observe(self, confidence: Confidence, most_likely: Confidence, *, now: float) -> DriftState:
        """Take in a wave: the confidence of every text [texts], the probability of its most likely label [texts], and
        the time in seconds since the epoch (days are UTC). No text twice."""
        if not len(confidence):
            return self.state()
        place = np.searchsorted(self._edges, confidence, side="right")
        counts = np.bincount(place, minlength=len(self._reference))
        self._bet(counts, day=int(now // DAY_S))
        self._remember(counts / max(1, counts.sum()), float(most_likely.mean()), texts=int(counts.sum()))
        return self.state()

    def state(self) -> DriftState:
        return DriftState(self._records, self._psi(), self._accuracy, self._alarm)

    def _bet(self, counts: NDArray[np.int64], *, day: int) -> None:
        """Multiply the capital of each bet by the odds it won at; what is bet was known before the wave."""
        if day != self._day:
            self._day = day
            self._capital[:] = 0.0
        above = _log_odds(counts, bound=self._most, bet=np.clip(self._live, self._most, SURE))
        below = _log_odds(counts, bound=self._least, bet=np.clip(self._live, 1.0 - SURE, self._least))
        self._capital += np.concatenate((above, below))
        if np.exp(np.minimum(self._capital, 700.0)).mean() >= self._enough:
            self._alarm = True

    def _remember(self, shares: NDArray[np.float64], accuracy: float, *, texts: int) -> None:
        if texts == 0:
            return
        keep = np.exp(-texts / MEMORY) if self._records else 1.0 - min(1.0, texts / MEMORY)
        self._live = keep * self._live + (1.0 - keep) * shares
        self._accuracy = accuracy if np.isnan(self._accuracy) else keep * self._accuracy + (1.0 - keep) * accuracy
        self._records += texts

    def _psi(self) -> float:
        live, reference = self._live + 1.0 / MEMORY, self._reference + 1.0 / MEMORY
        return float(((live - reference) * np.log(live / reference)).sum())


def _log_odds(
    counts: NDArray[np.int64], *, bound: NDArray[np.float64], bet: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Log of the likelihood ratio of `bet` against `bound` for each bin; 0 where nothing is bet."""
    bets = (bet != bound) & (bound > 0.0) & (bound < 1.0)
    safe_bet, safe_bound = np.where(bets, bet, 0.5), np.where(bets, bound, 0.5)
    misses = counts.sum() - counts
    odds = counts * np.log(safe_bet / safe_bound) + misses * np.log((1.0 - safe_bet) / (1.0 - safe_bound))
    return np.asarray(odds)
