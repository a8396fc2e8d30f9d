"""Token ids to logits: packs, runs micro-batches on the backend's worker threads, and copes with what fails.

Owns the budget of computed tokens, which only shrinks: what was too much once is not tried again. Knows nothing of
texts or probabilities.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import structlog
from numpy.typing import NDArray

from worker.errors import DeadReason, EngineFailed, EngineOverloaded, RecordError, Stage
from worker.inference.packing import Indices, PackingLimits, pack, padded_tokens
from worker.inference.rows import pack_rows, row_tokens, whole_rows
from worker.ports import Backend, Filling

log = structlog.get_logger(__name__)

TokenIds = NDArray[np.int32]
Row = NDArray[np.float32]

# A request that fills less than this on every worker is not worth spreading over more of them.
MIN_SPREAD_TOKENS = 256
PACKERS: Final[Mapping[Filling, Callable[[NDArray[np.int64], PackingLimits], list[Indices]]]] = {
    Filling.PADDED: pack,
    Filling.EXACT: pack,
    Filling.ROWS: pack_rows,
}
COMPUTED: Final[Mapping[Filling, Callable[[NDArray[np.int64]], int]]] = {
    Filling.PADDED: padded_tokens,
    Filling.EXACT: lambda lengths: int(lengths.sum()),
    Filling.ROWS: row_tokens,
}
"""How many tokens a pass over texts of these lengths computes."""


@dataclass(frozen=True, slots=True)
class PassCounts:
    """What forward passes cost, in counts; those that failed included. `padded_tokens`: computed, padding and all."""

    passes: int = 0
    real_tokens: int = 0
    padded_tokens: int = 0

    def __add__(self, other: PassCounts) -> PassCounts:
        return PassCounts(
            self.passes + other.passes,
            self.real_tokens + other.real_tokens,
            self.padded_tokens + other.padded_tokens,
        )


class ForwardPasses:
    """Runs requests of any size through one backend. Thread-safe; requests share the worker threads."""

    def __init__(self, backend: Backend, *, limits: PackingLimits, pad_id: int) -> None:
        self._backend = backend
        self._limits = limits
        self._pad_id = pad_id
        self._lock = threading.Lock()
        self._workers = ThreadPoolExecutor(backend.concurrency, thread_name_prefix="inference")

    @property
    def limits(self) -> PackingLimits:
        """The bounds of one pass now."""
        return self._limits

    def use_budget(self, max_batch_tokens: int) -> None:
        """Take another budget of computed tokens, as found at warm-up."""
        with self._lock:
            self._limits = replace(self._limits, max_batch_tokens=max_batch_tokens)

    def run(self, ids: Sequence[TokenIds]) -> tuple[list[Row | RecordError], PassCounts]:
        """Finite logits [labels] of each sequence, in order, or why it has none. Raises EngineLost."""
        request = _Request(ids, self._backend, self._pad_id, smaller=self._smaller, shrink=self._shrink)
        batches = PACKERS[self._backend.filling](request.lengths, self._spread(request.lengths))
        if len(batches) == 1 or self._backend.concurrency == 1:
            counts = [request.solve(batch) for batch in batches]
        else:
            counts = list(self._workers.map(request.solve, batches))
        return [request.rows[index] for index in range(len(ids))], sum(counts, PassCounts())

    def close(self) -> None:
        """End the worker threads; what runs is finished first."""
        self._workers.shutdown(cancel_futures=True)

    def _spread(self, lengths: NDArray[np.int64]) -> PackingLimits:
        """The limits, with a budget small enough that a small request, too, gives every worker something to do."""
        if self._backend.concurrency == 1:
            return self._limits
        share = max(MIN_SPREAD_TOKENS, -(-int(lengths.sum()) // self._backend.concurrency))
        if self._backend.filling is Filling.ROWS:
            share = whole_rows(share)
        return replace(self._limits, max_batch_tokens=min(self._limits.max_batch_tokens, share))

    def _smaller(self, failed_tokens: int) -> PackingLimits:
        """Limits below half of a pass that was out of memory."""
        return replace(self._limits, max_batch_tokens=max(1, min(self._limits.max_batch_tokens, failed_tokens // 2)))

    def _shrink(self, limits: PackingLimits) -> None:
        """Take smaller limits for good: all of a micro-batch fitted in parts that did not fit as a whole."""
        with self._lock:
            before = self._limits.max_batch_tokens
            if limits.max_batch_tokens < before:
                self._limits = replace(self._limits, max_batch_tokens=limits.max_batch_tokens)
                log.warning("inference.out_of_memory", before=before, max_batch_tokens=limits.max_batch_tokens)


class _Request:
    """One request in work. Micro-batches are solved in parallel; each writes only the rows of its own texts."""

    def __init__(
        self,
        ids: Sequence[TokenIds],
        backend: Backend,
        pad_id: int,
        *,
        smaller: Callable[[int], PackingLimits],
        shrink: Callable[[PackingLimits], None],
    ) -> None:
        self._ids = ids
        self._backend = backend
        self._pad_id = pad_id
        self._smaller = smaller
        self._shrink = shrink
        self.lengths = np.fromiter((len(each) for each in ids), dtype=np.int64, count=len(ids))
        self.rows: dict[int, Row | RecordError] = {}

    def solve(self, batch: Indices) -> PassCounts:
        """Fill the rows of this micro-batch, in one pass if nothing fails.

        Out of memory: again in smaller ones, and smaller ones from then on unless a text does not even fit alone, which
        is the text's fault and not the batch's. A failure: bisected until the text that causes it stands alone, in at
        most 2 log2(n) more passes for one such text. Rows that are not finite are tried once more without the others.
        """
        lengths = self.lengths[batch]
        real_tokens = int(lengths.sum())
        cost = PassCounts(1, real_tokens, COMPUTED[self._backend.filling](lengths))
        try:
            logits = self._backend.run(*self._padded(batch, lengths))
        except EngineOverloaded:
            return self._solve_smaller(batch, lengths, cost)
        except EngineFailed as error:
            return self._solve_parts(batch, _halves(batch), cost, str(error))
        finite = np.isfinite(logits).all(axis=1)
        self.rows.update(zip(batch[finite].tolist(), logits[finite], strict=True))
        bad = batch[~finite]
        if not bad.size:
            return cost
        return self._solve_parts(bad, [bad] if finite.any() else _halves(bad), cost, "the scores are not finite")

    def _solve_smaller(self, batch: Indices, lengths: NDArray[np.int64], cost: PassCounts) -> PassCounts:
        limits = self._smaller(cost.padded_tokens)
        parts = [batch[part] for part in PACKERS[self._backend.filling](lengths, limits)]
        if len(parts) == 1:  # widths are rounded up, so half of what a few short texts compute may still hold them all
            parts = _halves(batch)
        cost = self._solve_parts(batch, parts, cost, f"{lengths.max()} tokens do not fit in memory")
        if not any(isinstance(self.rows[int(index)], RecordError) for index in batch):
            self._shrink(limits)
        return cost

    def _solve_parts(self, batch: Indices, parts: Sequence[Indices], cost: PassCounts, detail: str) -> PassCounts:
        if not parts:
            self.rows[int(batch[0])] = RecordError(Stage.INFERENCE, DeadReason.INFERENCE_FAILED, detail)
            return cost
        return sum((self.solve(part) for part in parts), cost)

    def _padded(self, batch: Indices, lengths: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        real = np.arange(lengths.max()) < lengths[:, None]
        input_ids = np.full(real.shape, self._pad_id, dtype=np.int64)
        input_ids[real] = np.concatenate([self._ids[index] for index in batch])
        return input_ids, real.astype(np.int64)


def _halves(batch: Indices) -> list[Indices]:
    """Both halves; nothing for a single text, which cannot be divided."""
    return list(np.array_split(batch, 2)) if batch.size > 1 else []
