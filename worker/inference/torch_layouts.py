"""How a micro-batch lies in the model: padded to its longest text, or packed, one text after the other.

Packed, the model sees one row of as many tokens as there are: embeddings, matrix products and normalisation work on
tokens whosever they are, positions start anew with each text, and attention is told where texts begin and end. The
classification head reads the first token of each text, which every family does in its own way.

Knows nothing of devices: hands out what has to get there as one run of int64 numbers, and what to do with them there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

Ids = NDArray[np.int64]
Compute = Callable[[torch.Tensor], torch.Tensor]
"""From the numbers, on the device, to logits [texts, labels]."""

Varlen = Callable[..., torch.Tensor]
"""Attention over packed texts: query, key, value [tokens, heads, width], where texts begin and end (int32, twice), and
the length of the longest (twice); gives [tokens, heads, width]."""

Head = Callable[[Any, torch.Tensor], torch.Tensor]


@dataclass(frozen=True, slots=True)
class Laid:
    """A micro-batch that is ready to be computed: numbers for the device, and what is done with them there."""

    parts: tuple[Ids, ...]
    compute: Compute


class Layout(Protocol):
    """One of the two. `pads`: whether padding is computed."""

    pads: bool

    def lay(self, input_ids: Ids, attention_mask: Ids) -> Laid:
        """From ids and mask [texts, longest]."""
        ...


class Padded:
    """Rows of equal length with a mask: what every model can do."""

    pads = True

    def __init__(self, model: Any) -> None:
        self._model = model

    def lay(self, input_ids: Ids, attention_mask: Ids) -> Laid:
        shape = (2, *input_ids.shape)

        def compute(numbers: torch.Tensor) -> torch.Tensor:
            ids, mask = numbers.view(shape)
            logits: torch.Tensor = self._model(input_ids=ids, attention_mask=mask).logits
            return logits

        return Laid((input_ids.reshape(-1), attention_mask.reshape(-1)), compute)


@dataclass(frozen=True, slots=True)
class Family:
    """Models that are built alike: `logits` of the hidden states [texts, width] of the first tokens.

    `counts_from_padding`: position ids begin behind the padding's id (RoBERTa), and do not count padding.
    """

    logits: Head
    counts_from_padding: bool = False


def _bert_logits(model: Any, first: torch.Tensor) -> torch.Tensor:
    logits: torch.Tensor = model.classifier(model.bert.pooler(first[:, None]))
    return logits


def _roberta_logits(model: Any, first: torch.Tensor) -> torch.Tensor:
    logits: torch.Tensor = model.classifier(first[:, None])
    return logits


def _distilbert_logits(model: Any, first: torch.Tensor) -> torch.Tensor:
    logits: torch.Tensor = model.classifier(torch.relu(model.pre_classifier(first)))
    return logits


_BERT: Final = Family(_bert_logits)
_ROBERTA: Final = Family(_roberta_logits, counts_from_padding=True)
FAMILIES: Final[Mapping[str, Family]] = {
    "BertForSequenceClassification": _BERT,
    "RobertaForSequenceClassification": _ROBERTA,
    "XLMRobertaForSequenceClassification": _ROBERTA,
    "CamembertForSequenceClassification": _ROBERTA,
    "DistilBertForSequenceClassification": Family(_distilbert_logits),
}
"""By the model's class: what stands between the first token and the logits is part of it (dropout is off)."""


class Packed:
    """Texts one after the other, in a model whose attention is that of `attention_of` under the name `ATTENTION`."""

    pads = False

    def __init__(self, model: Any, family: Family) -> None:
        self._model = model
        self._family = family
        self._pad_id = int(model.config.pad_token_id or 0)

    def lay(self, input_ids: Ids, attention_mask: Ids) -> Laid:
        real = attention_mask.astype(bool)
        lengths = real.sum(axis=1)
        edges = np.zeros(len(lengths) + 1, dtype=np.int64)
        np.cumsum(lengths, out=edges[1:])
        tokens, longest = int(edges[-1]), int(lengths.max())

        def compute(numbers: torch.Tensor) -> torch.Tensor:
            ids, positions, bounds = numbers[:tokens], numbers[tokens : 2 * tokens], numbers[2 * tokens :]
            cumulative = bounds.to(torch.int32)
            hidden: torch.Tensor = self._model.base_model(
                input_ids=ids[None],
                position_ids=positions[None],
                cu_seq_lens_q=cumulative,
                cu_seq_lens_k=cumulative,
                max_length_q=longest,
                max_length_k=longest,
            ).last_hidden_state
            return self._family.logits(self._model, hidden[0, bounds[:-1]])

        return Laid((input_ids[real], self._positions(input_ids, real)[real], edges), compute)

    def _positions(self, input_ids: Ids, real: NDArray[np.bool_]) -> Ids:
        if not self._family.counts_from_padding:
            return np.broadcast_to(np.arange(input_ids.shape[1]), input_ids.shape)
        counted = real & (input_ids != self._pad_id)
        return np.asarray(counted.cumsum(axis=1) * counted + self._pad_id, dtype=np.int64)


def attention_of(varlen: Varlen) -> Callable[..., tuple[torch.Tensor, None]]:
    """`varlen` as transformers calls attention: heads before tokens, one row. Fails where nobody says what is whose."""

    def attend(
        module: Any,  # noqa: ARG001 (transformers' signature)
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        attention_mask: torch.Tensor | None,
        *,
        cu_seq_lens_q: torch.Tensor,
        cu_seq_lens_k: torch.Tensor,
        max_length_q: int,
        max_length_k: int,
        **_: Any,
    ) -> tuple[torch.Tensor, None]:
        if attention_mask is not None:
            raise ValueError("packed texts have no mask")
        packed = (each[0].transpose(0, 1).contiguous() for each in (query, key, value))
        attended = varlen(*packed, cu_seq_lens_q, cu_seq_lens_k, max_length_q, max_length_k)
        return attended[None], None

    return attend
