"""What `calibrate --json` writes: the promise, what it rests on, and how good the scores are before and after."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np

from schemas.policy import policy_id
from worker.learning.calibrate import Calibrated
from worker.learning.metrics import confusion_matrix, per_label
from worker.learning.selective import areas, cost_curve, risk_coverage

POINTS = 101


def summary(made: Calibrated) -> dict[str, Any]:
    """Everything as plain values; curves have at most 101 points."""
    chosen, after = made.chosen, made.after
    accepted = after.kept()
    return {
        "policy": policy_id(made.policy),
        "model": made.policy.model.model_dump(),
        "texts": len(after.accepted) + made.fitted,
        "texts_that_prove": len(after.accepted),
        "method": chosen.method,
        "risk": str(chosen.bounded),
        "guarantee": made.policy.guarantee.model_dump() if made.policy.guarantee else None,
        "coverage": made.coverage,
        "selective_risk": chosen.risk,
        "bound": chosen.bound,
        "score": made.policy.rule.score or "max_probability",
        "score_areas": dict(chosen.score_areas),
        "temperature": made.policy.temperature,
        "thresholds": made.thresholds,
        "label_bounds": dict(chosen.label_bounds),
        "calibration": {"before": asdict(made.quality_before), "after": asdict(made.quality_after)},
        "areas": {name: asdict(area) for name, area in areas(chosen.confidence, chosen.loss).items()},
        "risk_coverage": _points(*risk_coverage(chosen.confidence, chosen.loss)),
        "reviews_and_errors_per_1000": _points(*cost_curve(chosen.confidence, chosen.loss)),
        "accepted": {
            "confusion_matrix": confusion_matrix(accepted).tolist(),
            "per_label": {name: vars(score) for name, score in per_label(accepted).items()},
        },
        "remarks": list(made.remarks),
    }


def _points(first: np.ndarray, second: np.ndarray) -> list[list[float]]:
    chosen = np.unique(np.linspace(0, len(first) - 1, POINTS).astype(int))
    return [[round(float(first[at]), 6), round(float(second[at]), 6)] for at in chosen.tolist()]
