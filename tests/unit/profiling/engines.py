"""Engines that take the time they are told to, on a clock that only they move."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from worker.errors import RecordError
from worker.ports import InferenceStats, Inferred
from worker.profiling.settings import Setting
from worker.profiling.turns import Measurement, Turn
from worker.records import Encoded, Prediction
from worker.testing import FakeClock, StubClassifier


class TimedEngine(StubClassifier):
    """A stub of `rate` texts per second; its probabilities are `moved` from the stub's. Knows whether it was closed."""

    def __init__(self, clock: FakeClock, *, rate: float, moved: float = 0.0, budget: int = 1024) -> None:
        super().__init__()
        self.max_batch_tokens = budget
        self.closed = False
        self.waves: list[int] = []
        self._clock = clock
        self._rate = rate
        self._moved = np.array([moved, -moved], dtype=np.float32)

    def encode(self, texts: Sequence[str]) -> list[Encoded | RecordError]:
        self.waves.append(len(texts))
        return super().encode(texts)

    def predict(self, encoded: Sequence[Encoded]) -> Inferred:
        self._clock.advance(len(encoded) / self._rate)
        found = super().predict(encoded)
        stats = InferenceStats(texts=len(encoded), real_tokens=10 * len(encoded), padded_tokens=11 * len(encoded))
        return Inferred([self._shifted(each) for each in found.results], stats)

    def close(self) -> None:
        self.closed = True

    def _shifted(self, each: Prediction | RecordError) -> Prediction | RecordError:
        if isinstance(each, RecordError):
            return each
        return Prediction(each.scores + self._moved, each.tokens, each.truncated)


def measured(setting: Setting, *rates: float) -> Measurement:
    """A measurement with a turn of one second for each rate."""
    return Measurement(setting, 1024, tuple(Turn(int(rate), 1.0, 10, 10) for rate in rates))
