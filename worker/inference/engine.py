"""The classifier: texts to predictions, whatever the backend.

Tokenizes a request in one call, computes identical token sequences once, turns logits into probabilities as the task
says, and puts everything back in order. How forward passes are packed and retried is `worker.inference.forward`'s
business; what a backend is made of, the backend's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from worker.clock import Clock, SystemClock
from worker.errors import EngineFailed, EngineOverloaded, ModelError, RecordError
from worker.inference.activation import activate, energies
from worker.inference.forward import ForwardPasses, Row
from worker.inference.packing import PackingLimits
from worker.inference.recent import RecentScores
from worker.inference.tokenization import TextEncoder
from worker.inference.warmup import CPU_BUDGETS, CUDA_BUDGETS, probe_budget
from worker.ports import Backend, InferenceStats, Inferred
from worker.records import Encoded, ModelInfo, Prediction, Task

Scores = NDArray[np.float32]

DEFAULT_BATCH_TOKENS = 1024
PROBE_LENGTH = 32
# What one more pass costs, in tokens: launches and waits on a GPU, dispatch on a CPU.
CPU_PASS_OVERHEAD = 48
CUDA_PASS_OVERHEAD = 512


@dataclass(frozen=True, slots=True)
class EngineOptions:
    """How the engine uses the machine; None is automatic. Tokens are padded tokens of one forward pass."""

    max_batch_tokens: int | None = None
    max_batch_size: int = 256
    workers: int | None = None
    cache_size: int = 10_000


class Scored(NamedTuple):
    """What is remembered of a text: its scores, and the log-sum-exp of its logits where they went through a softmax."""

    scores: Scores
    energy: float | None


class Engine:
    """A loaded model as the core sees it (`worker.ports.Classifier`). Safe to call from several threads.

    A text's scores depend on its tokens alone: not on its neighbours, their order, or whether it was seen before.
    `policy_file` is the model folder's own policy, `surprise_file` its table of token surprise, if it has them.
    """

    def __init__(
        self,
        *,
        info: ModelInfo,
        encoder: TextEncoder,
        backend: Backend,
        pad_id: int,
        options: EngineOptions | None = None,
        policy_file: Path | None = None,
        surprise_file: Path | None = None,
    ) -> None:
        self.info = info
        self.policy_file = policy_file
        self.surprise_file = surprise_file
        self._options = options or EngineOptions()
        self._encoder = encoder
        self._backend = backend
        self._pad_id = pad_id
        self._recent: RecentScores[Scored] = RecentScores(self._options.cache_size)
        limits = PackingLimits(
            max_batch_tokens=self._options.max_batch_tokens or DEFAULT_BATCH_TOKENS,
            max_batch_size=self._options.max_batch_size,
            pass_overhead=CUDA_PASS_OVERHEAD if self._on_cuda else CPU_PASS_OVERHEAD,
        )
        self._passes = ForwardPasses(backend, limits=limits, pad_id=pad_id)

    @property
    def max_batch_tokens(self) -> int:
        """The padded-token budget of one forward pass now: as set, probed, or shrunk by lack of memory."""
        return self._passes.limits.max_batch_tokens

    def encode(self, texts: Sequence[str]) -> list[Encoded | RecordError]:
        return self._encoder.encode(texts)

    def predict(self, encoded: Sequence[Encoded]) -> Inferred:
        slots: dict[bytes, int] = {}
        keys = [item.ids.tobytes() for item in encoded]
        for position, key in enumerate(keys):
            slots.setdefault(key, position)
        scores: dict[bytes, Scored | RecordError] = dict(self._recent.find(slots))
        missing = [key for key in slots if key not in scores]
        rows, counts = self._passes.run([encoded[slots[key]].ids for key in missing])
        computed = self._activated(missing, rows)
        self._recent.remember({key: each for key, each in computed.items() if not isinstance(each, RecordError)})
        scores |= computed
        return Inferred(
            results=[_result(item, scores[key]) for item, key in zip(encoded, keys, strict=True)],
            stats=InferenceStats(
                texts=len(encoded),
                repeated=len(encoded) - len(missing),
                forward_passes=counts.passes,
                real_tokens=counts.real_tokens,
                padded_tokens=counts.padded_tokens,
                isolated=sum(isinstance(each, RecordError) for each in computed.values()),
            ),
        )

    def warm_up(self, clock: Clock | None = None) -> None:
        """Run the first passes, so that no record waits for them, and find the budget where it is automatic.

        Raises ModelError if the model cannot run at all.
        """
        try:
            if self._options.max_batch_tokens is None:
                budgets = CUDA_BUDGETS if self._on_cuda else CPU_BUDGETS
                self._passes.use_budget(probe_budget(self._run_dummy, budgets, clock=clock or SystemClock()))
            else:
                self._run_dummy(PROBE_LENGTH)
        except (EngineFailed, EngineOverloaded) as error:
            raise ModelError(f"model {self.info.name} fails on its first forward pass: {error}") from error

    def close(self) -> None:
        self._passes.close()
        self._backend.close()

    @property
    def _on_cuda(self) -> bool:
        return self.info.device.startswith("cuda")

    def _activated(self, keys: Sequence[bytes], rows: Sequence[Row | RecordError]) -> dict[bytes, Scored | RecordError]:
        outcomes: dict[bytes, Scored | RecordError] = {}
        solved = []
        for key, row in zip(keys, rows, strict=True):
            if isinstance(row, RecordError):
                outcomes[key] = row
            else:
                solved.append((key, row))
        if solved:
            for (key, _), each in zip(solved, self._scored(np.stack([row for _, row in solved])), strict=True):
                outcomes[key] = each
        return outcomes

    def _scored(self, logits: Row) -> list[Scored]:
        scores = activate(logits, self.info.task)
        scores.setflags(write=False)
        single = self.info.task is Task.SINGLE_LABEL
        known: Sequence[float | None] = energies(logits).tolist() if single else [None] * len(logits)
        return [Scored(*each) for each in zip(scores, known, strict=True)]

    def _run_dummy(self, tokens: int) -> None:
        """One pass of about `tokens` tokens: texts of an ordinary length, of padding ids that count as real."""
        length = min(PROBE_LENGTH, self.info.max_length, tokens)
        shape = (max(1, min(tokens // length, self._options.max_batch_size)), length)
        self._backend.run(np.full(shape, self._pad_id, dtype=np.int64), np.ones(shape, dtype=np.int64))


def _result(item: Encoded, scored: Scored | RecordError) -> Prediction | RecordError:
    if isinstance(scored, RecordError):
        return scored
    return Prediction(scored.scores, tokens=item.tokens, truncated=item.truncated, energy=scored.energy)
