"""Thresholds that keep a promise: the risk of what is accepted is at most R with probability C over calibration sets.

Owns the statistics; knows nothing of files, models or policies. Throughout, `score` float64 [n] is how sure each
calibration text is (no number: never accepted), `loss` float64 [n] in [0, 1] how wrong its answer is (0 or 1 for a
single answer), and a text is accepted from the threshold on. Calibration texts must be exchangeable with live ones.

- `learn_then_test`: Angelopoulos et al. 2021, fixed sequence from strict to loose; the default.
- `sgr`: Geifman & El-Yaniv 2017, binary search with a union bound.
- `empirical`: the loosest threshold that was right on the calibration set. Promises nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy.special import betainc, betaincinv, rel_entr

Numbers = NDArray[np.float64]
Counts = NDArray[np.int64]

EASIER_TARGETS = (
    *(round(0.005 * step, 3) for step in range(1, 41)),
    *(round(0.01 * step, 2) for step in range(21, 91)),
)
LARGEST_ADVICE = 1_000_000
ERRORS_AT_START = 3
LARGEST_START = 2 / 3
"""Where the fixed sequence starts: at the fewest accepted texts that may hold three errors, or fewer errors where that
would be more than two thirds of the texts. A start that may hold none ends at the first odd label among the surest
texts: with one such label in 900 texts, 9 % of calibration sets of 1 000 had no threshold at R = 1 % when starting at
one error, 2 % at two; a later start costs models that are right in the surest third only."""


@dataclass(frozen=True)
class Promise:
    """The risk of what is accepted is at most `target_risk` with probability `confidence`."""

    target_risk: float
    confidence: float = 0.9

    @property
    def delta(self) -> float:
        """The probability with which the promise may be broken."""
        return 1.0 - self.confidence


@dataclass(frozen=True)
class Selected:
    """Accept from `threshold` on: `accepted` of `size` calibration texts with the mean loss `risk`.

    `bound` is the upper confidence bound of the true risk at this one threshold.
    """

    threshold: float
    accepted: int
    size: int
    risk: float
    bound: float

    @property
    def coverage(self) -> float:
        return self.accepted / self.size


@dataclass(frozen=True)
class Refusal:
    """Why there is no threshold. `easier`: higher targets and the coverage that each would have, lowest first, for
    advice only (choosing among them after the fact is no guarantee); `examples`: about how many labelled texts the
    promise needs, None when more would hardly help."""

    promise: Promise
    easier: tuple[tuple[float, float], ...]
    examples: int | None

    def __str__(self) -> str:
        """One line for whoever asked."""
        asked = f"a risk of at most {self.promise.target_risk:g} with confidence {self.promise.confidence:g}"
        if self.easier:
            risk, coverage = self.easier[0]
            best = f"the best these examples can support is {risk:g}, at coverage {coverage:.2f}"
        else:
            best = "these examples support no risk at all"
        more = f"about {self.examples} labelled examples would do" if self.examples else "more examples hardly help"
        return f"{asked} cannot be promised: {best}; {more}"


@dataclass(frozen=True)
class Candidates:
    """Every threshold that the scores offer, strictest first: `threshold`, texts `accepted` and their total `loss`,
    each [candidates]. They depend on the scores alone, never on the losses; equal scores are one candidate. `binary`:
    every loss is 0 or 1."""

    threshold: Numbers
    accepted: Counts
    loss: Numbers
    size: int
    binary: bool

    @classmethod
    def of(cls, score: Numbers, loss: Numbers) -> Candidates:
        known = ~np.isnan(score)
        order = np.argsort(-score[known], kind="stable")
        ranked, losses = score[known][order], loss[known][order]
        last_of_equals = np.flatnonzero(np.append(ranked[1:] != ranked[:-1], np.ones(min(1, len(ranked)), dtype=bool)))
        totals = np.cumsum(losses)[last_of_equals]
        return cls(ranked[last_of_equals], last_of_equals + 1, totals, len(score), is_binary(loss))

    def selected(self, place: int, *, delta: float) -> Selected:
        accepted, loss = int(self.accepted[place]), float(self.loss[place])
        bound = risk_bound(loss, accepted, delta=delta, binary=self.binary)
        return Selected(float(self.threshold[place]), accepted, self.size, loss / accepted, bound)


def learn_then_test(score: Numbers, loss: Numbers, promise: Promise, *, start: int | None = None) -> Selected | None:
    """The loosest threshold up to which every stricter one, from the start on, is proven; None if the first is not.

    The hypotheses "the risk at this threshold is above R" are tested in an order fixed before looking at any loss,
    each at level 1 - C, until one is not rejected: with probability C no true one is rejected.
    """
    candidates = Candidates.of(score, loss)
    first = start_of_sequence(len(score), promise) if start is None else start
    tested = np.flatnonzero(candidates.accepted >= first)
    p = p_values(candidates.loss[tested], candidates.accepted[tested], promise.target_risk, binary=candidates.binary)
    passed = int(np.argmin(np.append(p <= promise.delta, False)))
    return candidates.selected(int(tested[passed - 1]), delta=promise.delta) if passed else None


def sgr(score: Numbers, loss: Numbers, promise: Promise) -> Selected | None:
    """Selection with guaranteed risk: binary search for coverage, every step's bound at delta over the steps."""
    candidates = Candidates.of(score, loss)
    if not len(candidates.accepted):
        return None
    steps = max(1, int(np.ceil(np.log2(len(candidates.accepted)))))
    low, high, best = 0, len(candidates.accepted) - 1, None
    for _ in range(steps):
        middle = (low + high + 1) // 2
        chosen = candidates.selected(middle, delta=promise.delta / steps)
        if chosen.bound <= promise.target_risk:
            low, best = middle, chosen
        else:
            high = max(middle - 1, 0)
    return best


def empirical(score: Numbers, loss: Numbers, promise: Promise) -> Selected | None:
    """The loosest threshold whose calibration risk is at most R. No guarantee: it fails about every other time."""
    candidates = Candidates.of(score, loss)
    right = np.flatnonzero(candidates.loss <= promise.target_risk * candidates.accepted)
    return candidates.selected(int(right[-1]), delta=promise.delta) if len(right) else None


METHODS: Mapping[str, Callable[[Numbers, Numbers, Promise], Selected | None]] = {
    "ltt_fixed_sequence": learn_then_test,
    "sgr": sgr,
    "empirical": empirical,
}


def per_label(
    score: Numbers, loss: Numbers, label: NDArray[np.integer], promise: Promise, *, labels: int
) -> list[Selected | None]:
    """A threshold for each answer, None where it cannot be proven: with probability C the promise holds for all labels
    at once. `label` [n] is the answer given to each text.

    Each label gets an equal part of 1 - C; one that is proven for all of its texts passes its part on to those that
    are not (Bretz et al. 2009).
    """
    groups = [np.flatnonzero(label == number) for number in range(labels)]
    return for_all([(score[rows], loss[rows]) for rows in groups], promise)


def for_all(problems: list[tuple[Numbers, Numbers]], promise: Promise) -> list[Selected | None]:
    """A threshold for each pair of score and loss; with probability C all promises hold at once. See `per_label`."""
    shared = promise.delta / max(1, len(problems))
    starts = [start_of_sequence(len(score), Promise(promise.target_risk, 1.0 - shared)) for score, _ in problems]
    found: list[Selected | None] = [None] * len(problems)
    finished: set[int] = set()
    while True:
        waiting = [place for place in range(len(problems)) if place not in finished]
        if not waiting:
            return found
        level = Promise(promise.target_risk, 1.0 - promise.delta / len(waiting))
        for place in waiting:
            found[place] = learn_then_test(*problems[place], level, start=starts[place])
        newly = {place for place in waiting if (chosen := found[place]) and chosen.accepted == chosen.size}
        if not newly:
            return found
        finished |= newly


def within_budget(score: Numbers, review_share: float, *, confidence: float) -> float | None:
    """The strictest threshold under which, with probability `confidence`, at most `review_share` of live texts lie.

    The share below the j-th lowest of n scores has a Beta(j, n + 1 - j) distribution at most, whatever the scores'.
    """
    ranked = np.sort(np.nan_to_num(score, nan=-np.inf))
    places = np.arange(1, len(ranked) + 1)
    kept = betainc(places, len(ranked) + 1 - places, review_share) >= confidence
    return float(ranked[np.flatnonzero(kept)[-1]]) if kept.any() else None


def examples_needed(candidates: Candidates, promise: Promise) -> int | None:
    """The size at which some threshold would pass, were the risks what they were here (half an error is added)."""
    if not len(candidates.accepted):
        return None
    risk = (candidates.loss + 0.5) / (candidates.accepted + 1)
    hopeful = risk < promise.target_risk
    coverage, risk = candidates.accepted[hopeful] / candidates.size, risk[hopeful]
    size = candidates.size
    while size < LARGEST_ADVICE and hopeful.any():
        size = int(size * 1.1) + 1
        accepted = np.floor(coverage * size)
        if (binomial_cdf(np.ceil(risk * accepted), accepted, promise.target_risk) <= promise.delta).any():
            return size
    return None


def start_of_sequence(size: int, promise: Promise) -> int:
    """How many texts the first threshold of the fixed sequence accepts; never depends on scores or losses."""
    starts = [fewest_accepted(errors, promise) for errors in range(ERRORS_AT_START + 1)]
    return max([start for start in starts if start <= LARGEST_START * size], default=starts[0])


@cache
def fewest_accepted(errors: int, promise: Promise) -> int:
    """How many accepted texts prove the promise when `errors` of them are wrong."""
    low, high = errors, 2 * errors + 2
    while _proves(errors, high, promise) is False:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if _proves(errors, middle, promise) else (middle, high)
    return high


def is_binary(loss: Numbers) -> bool:
    """Whether every answer is either right or wrong."""
    return bool(np.all((loss == 0.0) | (loss == 1.0)))


def p_values(loss: Numbers, accepted: Counts, risk: float, *, binary: bool) -> Numbers:
    """How likely so small a total `loss` of so many `accepted` texts would be if the true risk were `risk`.

    Exact (binomial) if every loss is 0 or 1, else Hoeffding-Bentkus (Bates et al. 2021) for losses in [0, 1].
    """
    total = np.round(loss, 9)
    if binary:
        return binomial_cdf(total, accepted, risk)
    mean = np.minimum(loss / accepted, risk)
    divergence = rel_entr(mean, risk) + rel_entr(1.0 - mean, 1.0 - risk)
    bentkus = np.e * binomial_cdf(np.ceil(total), accepted, risk)
    return np.asarray(np.minimum(np.exp(-accepted * divergence), bentkus))


def binomial_cdf(errors: NDArray[np.number], accepted: NDArray[np.number], risk: float) -> Numbers:
    """How likely at most so many `errors` (whole numbers) are among `accepted` texts; scipy.stats says the same, but
    takes seconds to import and to be asked thousands of times."""
    rest = accepted - errors
    return np.where(rest > 0, betainc(np.maximum(rest, 1.0), errors + 1.0, 1.0 - risk), 1.0)


def risk_bound(loss: float, accepted: int, *, delta: float, binary: bool) -> float:
    """The risk above which so small a total `loss` is less likely than delta (Clopper-Pearson if binary)."""
    if binary:
        return 1.0 if loss >= accepted else float(betaincinv(loss + 1, accepted - loss, 1.0 - delta))
    low, high = loss / accepted, 1.0
    for _ in range(50):
        middle = (low + high) / 2
        one = p_values(np.array([loss]), np.array([accepted]), middle, binary=False)[0]
        low, high = (middle, high) if one > delta else (low, middle)
    return high


def _proves(errors: int, accepted: int, promise: Promise) -> bool:
    return bool(binomial_cdf(np.array(errors), np.array(accepted), promise.target_risk) <= promise.delta)
