"""What OpenVINO gets for a micro-batch, and where its logits stand: padded texts, or texts that share rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from worker.inference.rows import lay
from worker.inference.shared_rows import INPUTS, Positions
from worker.ports import Filling

Ids = NDArray[np.int64]
OPTIONAL_INPUT: Final = "token_type_ids"
REQUIRED_INPUTS: Final = frozenset({"input_ids", "attention_mask"})


class ModelInputs(Protocol):
    """How a graph is fed."""

    filling: Filling

    def of(self, input_ids: Ids, attention_mask: Ids) -> tuple[Mapping[str, Ids], Ids | slice]:
        """The graph's inputs for texts [texts, longest], and which rows of its logits are theirs, in order."""
        ...


class PaddedInputs:
    """Ids and mask as they come."""

    filling = Filling.PADDED

    def __init__(self, names: frozenset[str]) -> None:
        self._takes_token_types = OPTIONAL_INPUT in names

    def of(self, input_ids: Ids, attention_mask: Ids) -> tuple[Mapping[str, Ids], Ids | slice]:
        inputs = {"input_ids": input_ids, "attention_mask": attention_mask}
        if self._takes_token_types:
            inputs[OPTIONAL_INPUT] = np.zeros_like(input_ids)
        return inputs, slice(None)


class RowInputs:
    """For a graph made by `worker.inference.shared_rows`."""

    filling = Filling.ROWS

    def __init__(self, positions: Positions) -> None:
        self._positions = positions

    def of(self, input_ids: Ids, attention_mask: Ids) -> tuple[Mapping[str, Ids], Ids | slice]:
        real = attention_mask.astype(bool)
        lengths = real.sum(axis=1)
        layout = lay(lengths.tolist())
        shape = (layout.rows, layout.width)
        starts = layout.row * layout.width + layout.start
        before = lengths.cumsum() - lengths
        tokens = np.arange(lengths.sum())
        places = tokens + np.repeat(starts - before, lengths)
        ids, positions, segments = (np.zeros(layout.tokens, dtype=np.int64) for _ in range(3))
        ids[places] = real_ids = input_ids[real]
        positions[places] = self._positions.of(real_ids, tokens - np.repeat(before, lengths))
        segments[places] = np.repeat(np.arange(1, len(lengths) + 1), lengths)
        slots = layout.row * layout.slots + layout.slot
        first = np.zeros(layout.rows * layout.slots, dtype=np.int64)
        first[slots] = layout.start
        made = (ids.reshape(shape), positions.reshape(shape), segments.reshape(shape), first.reshape(layout.rows, -1))
        return dict(zip(INPUTS, made, strict=True)), slots
