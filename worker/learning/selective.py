"""What abstaining is worth: risk over coverage, the areas beneath it with intervals, and what a review buys.

Throughout, `confidence` float64 [n] is how sure each answer is (no number: never accepted, so it ranks last) and `loss`
float64 [n] in [0, 1] how wrong it is.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]
Counts = NDArray[np.int64]

RESAMPLES = 300
LEVEL = 0.95
SEED = 20
TEXTS_OF_COST = 1000


@dataclass(frozen=True)
class Area:
    """An area under a curve and its percentile bootstrap interval over texts, at 95 %."""

    value: float
    low: float
    high: float


def risk_coverage(confidence: Numbers, loss: Numbers) -> tuple[Numbers, Numbers]:
    """Coverage k/n and selective risk of the k most confident texts, for k = 1 … n, each [n].

    Texts of equal confidence share their errors evenly: the expectation over their order.
    """
    order, group = _ranked(confidence)
    errors = _errors(group, loss[order], np.ones(len(loss), dtype=np.int64))
    kept = np.arange(1, len(loss) + 1)
    return kept / len(loss), errors / kept


def aurc(confidence: Numbers, loss: Numbers) -> float:
    """Area under the risk-coverage curve (Geifman et al. 2019): mean selective risk over all coverages."""
    return float(risk_coverage(confidence, loss)[1].mean())


def e_aurc(confidence: Numbers, loss: Numbers) -> float:
    """Excess AURC (Geifman et al. 2019): how much of it a confidence that ranks every error last would save."""
    return aurc(confidence, loss) - aurc(-loss, loss)


def augrc(confidence: Numbers, loss: Numbers) -> float:
    """Area under the generalised curve (Traub et al. 2024): mean over coverages of the share of *all* texts that are
    both accepted and wrong."""
    coverage, risk = risk_coverage(confidence, loss)
    return float((coverage * risk).mean())


def areas(confidence: Numbers, loss: Numbers, *, resamples: int = RESAMPLES) -> dict[str, Area]:
    """`aurc`, `e_aurc` and `augrc` with their intervals; seeded. At least one text."""
    rng = np.random.default_rng(SEED)
    order, group = _ranked(confidence)
    ranked, best = loss[order], np.argsort(loss[order], kind="stable")
    size = len(loss)

    def measured(counts: Counts) -> tuple[float, float, float]:
        errors, ideal = _errors(group, ranked, counts), np.cumsum(np.repeat(ranked[best], counts[best]))
        kept = np.arange(1, size + 1)
        area = float((errors / kept).mean())
        return area, area - float((ideal / kept).mean()), float(errors.mean()) / size

    found = measured(np.ones(size, dtype=np.int64))
    drawn = np.array([measured(np.bincount(rng.integers(0, size, size), minlength=size)) for _ in range(resamples)])
    low, high = np.quantile(drawn, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=0)
    return {
        name: Area(found[place], float(low[place]), float(high[place]))
        for place, name in enumerate(("aurc", "e_aurc", "augrc"))
    }


def cost_curve(confidence: Numbers, loss: Numbers) -> tuple[Numbers, Numbers]:
    """Reviews per 1 000 texts, and the errors let through per 1 000 texts, from all accepted to none, each [n + 1]."""
    coverage, risk = risk_coverage(confidence, loss)
    accepted, errors = np.append(coverage[::-1], 0.0), np.append((coverage * risk)[::-1], 0.0)
    return TEXTS_OF_COST * (1.0 - accepted), TEXTS_OF_COST * errors


def _ranked(confidence: Numbers) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """The order from most to least confident, and for each place in it the number of its group of equals."""
    known = np.nan_to_num(confidence, nan=-np.inf, posinf=np.inf, neginf=-np.inf)
    order = np.argsort(-known, kind="stable")
    ranked = known[order]
    return order, np.cumsum(np.append(0, ranked[1:] != ranked[:-1]))[: len(ranked)]


def _errors(group: NDArray[np.intp], ranked_loss: Numbers, counts: Counts) -> Numbers:
    """Total loss of the k most confident texts, k = 1 … n, when each stands `counts` times in the sample."""
    sizes = np.bincount(group, weights=counts).astype(np.int64)
    shared = np.bincount(group, weights=counts * ranked_loss) / np.maximum(sizes, 1)
    return np.asarray(np.cumsum(np.repeat(shared, sizes)))
