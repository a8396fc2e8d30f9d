"""Accuracy from audited answers: what people said of the records that were copied to review by chance.

Every copy states the probability with which it was chosen, so records that were chosen more often weigh less
(Horvitz & Thompson 1952).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaincinv

from schemas.policy import AuditStratum

Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class AuditEstimate:
    """The share of wrong answers among accepted records, and its confidence interval. `answers`: people's answers;
    `effective`: how many answers of a simple random sample would say as much."""

    risk: float
    low: float
    high: float
    answers: int
    effective: float


def estimate_risk(
    wrong: Numbers, probability: Numbers, *, accepted: int | None = None, confidence: float = 0.95
) -> AuditEstimate:
    """The risk among all accepted records, from those audited: `wrong` [n] 0 or 1, `probability` [n] in (0, 1].

    Horvitz-Thompson when the number of `accepted` records is known, else its ratio form (Hajek 1971), which is hardly
    biased and varies less. The interval is Clopper-Pearson's at the effective size (Korn & Graubard 1998), which keeps
    its promise for rare errors where a normal interval does not. Raises ValueError without answers.
    """
    if not len(wrong):
        raise ValueError("no audited answers")
    weight = 1.0 / probability
    total = weight.sum() if accepted is None else accepted
    risk = float(min(1.0, (weight * wrong).sum() / total))
    centre = risk if accepted is None else 0.0
    variance = float(((1.0 - probability) * (weight * (wrong - centre)) ** 2).sum()) / total**2
    by_weights = float(weight.sum() ** 2 / (weight**2).sum())
    sampling = risk * (1.0 - risk) / variance if variance > 0.0 and 0.0 < risk < 1.0 else by_weights
    effective = min(float(len(wrong)), sampling) if 0.0 < risk < 1.0 else by_weights
    tail = (1.0 - confidence) / 2
    hits = risk * effective
    low = float(betaincinv(hits, effective - hits + 1, tail)) if hits > 0.0 else 0.0
    high = float(betaincinv(hits + 1, effective - hits, 1.0 - tail)) if hits < effective else 1.0
    return AuditEstimate(risk, low, high, len(wrong), effective)


def audit_strata(confidence: Numbers, *, rate: float, strata: int = 4) -> tuple[AuditStratum, ...]:
    """Strata of equally many accepted texts, audited at `rate` on average, more where the answer is likelier wrong.

    Neyman's allocation for calibrated confidences [n]: rates go with the standard deviation of being wrong; none is
    below a tenth of the average, so that surprises among the surest are found too.
    """
    edges = np.unique(np.round(np.quantile(confidence, np.arange(1, strata) / strata), 6))
    edges = edges[(edges > 0.0) & (edges < 1.0)]
    place = np.searchsorted(edges, confidence, side="right")
    parts = [confidence[place == number] for number in range(len(edges) + 1)]
    doubt = np.array([float(np.sqrt(part.mean() * (1.0 - part.mean()))) if len(part) else 0.0 for part in parts])
    share = np.array([len(part) / len(confidence) for part in parts])
    average = float((share * doubt).sum())
    rates = np.clip(rate * (0.1 + 0.9 * doubt / average) if average else np.full(len(parts), rate), 0.0, 1.0)
    return tuple(
        AuditStratum(confidence_below=edge, rate=float(chosen))
        for edge, chosen in zip([*edges.tolist(), 1.0], rates.tolist(), strict=True)
    )
