"""Wave reports for tests."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np

from worker.errors import DeadReason
from worker.ports import InferenceStats
from worker.records import Outcome
from worker.wave_report import WaveReport, WaveStage


def report(**changes: Any) -> WaveReport:
    """A wave of ten records: seven accepted, two for review, one dead."""
    fields: dict[str, Any] = {
        "messages": 10,
        "tokens": 100,
        "close_reason": "delay",
        "outcomes": Counter({Outcome.ACCEPTED: 7, Outcome.ABSTAINED: 2, Outcome.DEAD: 1}),
        "labels": Counter(joy=5, anger=2),
        "reasons": Counter(low_confidence=2),
        "dead_reasons": Counter({DeadReason.EMPTY_TEXT: 1}),
        "stage_s": {WaveStage.INFER: 0.25, WaveStage.PUBLISH: 0.5},
        "stats": InferenceStats(texts=9, repeated=1, forward_passes=2, real_tokens=90, padded_tokens=99),
        "delays_s": np.array([0.1, 0.2, 0.9]),
    }
    return WaveReport(**fields | changes)
