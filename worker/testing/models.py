"""Classifiers and backends whose answers depend on nothing but the text."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from worker.errors import DeadReason, EngineFailed, EngineOverloaded, RecordError, Stage
from worker.inference.forward import COMPUTED
from worker.ports import Filling, InferenceStats, Inferred
from worker.records import Encoded, ModelInfo, Prediction, Task


class StubClassifier:
    """A classifier whose scores depend on the text alone. A text that holds `poison` has no prediction."""

    def __init__(
        self,
        *,
        labels: tuple[str, ...] = ("joy", "anger"),
        task: Task = Task.SINGLE_LABEL,
        max_length: int = 64,
        poison: str = "poison",
    ) -> None:
        self.info = ModelInfo("stub", "sha256:stub", task, labels, max_length, "stub", "float32", "cpu")
        self._poison = np.frombuffer(poison.encode(), dtype=np.uint8).astype(np.int32).tobytes()

    def encode(self, texts: Sequence[str]) -> list[Encoded | RecordError]:
        return [self._encoded(text) for text in texts]

    def predict(self, encoded: Sequence[Encoded]) -> Inferred:
        tokens = sum(text.tokens for text in encoded)
        stats = InferenceStats(
            texts=len(encoded), forward_passes=int(bool(encoded)), real_tokens=tokens, padded_tokens=tokens
        )
        return Inferred([self._predicted(text) for text in encoded], stats)

    def close(self) -> None:
        """Nothing to free."""

    def _encoded(self, text: str) -> Encoded:
        ids = np.frombuffer(text.encode(errors="replace"), dtype=np.uint8).astype(np.int32)
        return Encoded(ids[: self.info.max_length], truncated=len(ids) > self.info.max_length)

    def _predicted(self, text: Encoded) -> Prediction | RecordError:
        if self._poison in text.ids.tobytes():
            return RecordError(Stage.INFERENCE, DeadReason.INFERENCE_FAILED, "the model fails on this text")
        logits = self._logits(text.ids)
        energy = float(np.logaddexp.reduce(logits)) if self.info.task is Task.SINGLE_LABEL else None
        return Prediction(self._scores(logits), text.tokens, text.truncated, energy)

    def _logits(self, ids: NDArray[np.int32]) -> NDArray[np.float64]:
        return np.random.default_rng(zlib.crc32(ids.tobytes())).normal(scale=3.0, size=len(self.info.labels))

    def _scores(self, logits: NDArray[np.float64]) -> NDArray[np.float32]:
        if self.info.task is Task.MULTI_LABEL:
            return np.asarray(1 / (1 + np.exp(-logits)), dtype=np.float32)
        exponentials = np.exp(logits - logits.max())
        return np.asarray(exponentials / exponentials.sum(), dtype=np.float32)


@dataclass
class StubBackend:
    """A backend whose logits depend on a row's tokens alone, and that fails where it is told to.

    `overloaded_above`: more computed tokens than this are out of memory. `poison_id`: a batch that holds this token id
    fails; with `poison_is_nan` the row's logits are NaN instead, with `poison_is_heavy` it is out of memory. `passes`
    counts calls, `padded_tokens` what they computed, as `filling` has it.
    """

    labels: int = 3
    concurrency: int = 1
    filling: Filling = Filling.PADDED
    overloaded_above: int | None = None
    poison_id: int | None = None
    poison_is_nan: bool = False
    poison_is_heavy: bool = False
    passes: int = 0
    padded_tokens: int = 0

    def run(self, input_ids: NDArray[np.int64], attention_mask: NDArray[np.int64]) -> NDArray[np.float32]:
        self.passes += 1
        computed = COMPUTED[self.filling](attention_mask.sum(axis=1))
        self.padded_tokens += computed
        if self.overloaded_above is not None and computed > self.overloaded_above:
            raise EngineOverloaded(f"out of memory at {computed} tokens")
        poisoned = (input_ids == self.poison_id).any(axis=1)
        if poisoned.any() and self.poison_is_heavy:
            raise EngineOverloaded("a text in this micro-batch takes all memory")
        if poisoned.any() and not self.poison_is_nan:
            raise EngineFailed("a text in this micro-batch fails")
        weights = (np.arange(1, input_ids.shape[1] + 1) * attention_mask)[:, :, None]
        phases = input_ids[:, :, None] * np.arange(1, self.labels + 1)
        logits = (weights * np.sin(phases)).sum(axis=1).astype(np.float32)
        logits[poisoned] = np.nan
        return np.asarray(logits, dtype=np.float32)

    def close(self) -> None:
        """Nothing to free."""
