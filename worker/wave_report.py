"""What one wave did, in counts and seconds: the metrics and the wave's log line are both made from it.

Knows of records only; who counts and who writes the line is `worker.observability`'s business.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from worker.errors import DeadReason
from worker.ports import InferenceStats
from worker.records import Outcome


class WaveStage(StrEnum):
    """Where a wave's time goes, from its first record in hand to its commit: four kinds of work, and waiting.

    It waits to be closed, in line for the model, and in line for the brokers.
    """

    WAIT = "wait"
    TOKENIZE = "tokenize"
    INFER = "infer"
    DECIDE = "decide"
    PUBLISH = "publish"


class PublicationResult(StrEnum):
    """How a publication ended, as `worker.ports.Publisher` tells it apart."""

    COMMITTED = "committed"
    FAILED = "failed"
    UNKNOWN = "unknown"
    FENCED = "fenced"


def _no_delays() -> NDArray[np.float64]:
    return np.empty(0, np.float64)


@dataclass(frozen=True, slots=True, kw_only=True)
class WaveReport:
    """One published wave; `outcomes` adds up to `messages`.

    `tokens` are real ones; `close_reason` is a `worker.batching.CloseReason`; `labels` counts those of accepted
    records, `reasons` why records went to review, `dead_reasons` why they are dead. `stage_s`: seconds by stage.
    `delays_s`: float64 [records with a timestamp], from a record's own timestamp until its outcome was published.
    """

    messages: int
    tokens: int
    close_reason: str
    outcomes: Counter[Outcome]
    labels: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    dead_reasons: Counter[DeadReason] = field(default_factory=Counter)
    stage_s: Mapping[WaveStage, float] = field(default_factory=dict)
    stats: InferenceStats = field(default_factory=InferenceStats)
    delays_s: NDArray[np.float64] = field(default_factory=_no_delays)

    @property
    def padding_ratio(self) -> float | None:
        """Padded tokens over real ones in the forward passes, at least 1; None without any (all cached or dead)."""
        return self.stats.padded_tokens / self.stats.real_tokens if self.stats.real_tokens else None
