"""Tiny models of several families with random weights: what they compute matters, not what it means."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

LABELS = 5
VOCABULARY = 90
SIZES = {
    "vocab_size": VOCABULARY,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 64,
    "max_position_embeddings": 66,
    "initializer_range": 0.25,
    "num_labels": LABELS,
}
FAMILIES = ("bert", "roberta", "xlm-roberta", "camembert", "distilbert")
PAD_IDS = {"bert": 0, "distilbert": 0, "electra": 0}
ROBERTA_PAD_ID = 1


def pad_id_of(family: str) -> int:
    return PAD_IDS.get(family, ROBERTA_PAD_ID)


def tiny_model(family: str, **changes: Any) -> Any:
    """A sequence classifier in eval mode on the CPU."""
    from transformers import AutoConfig, AutoModelForSequenceClassification

    torch.manual_seed(11)
    sizes = {**SIZES, **changes}
    if family == "distilbert":
        sizes["hidden_dim"] = sizes.pop("intermediate_size")
    config = AutoConfig.for_model(family, pad_token_id=pad_id_of(family), **sizes)
    return AutoModelForSequenceClassification.from_config(config).eval()


def made_up(lengths: list[int], *, pad_id: int, seed: int = 3) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Ids and mask of texts of these lengths, padded; the second token of the last one is what others pad with."""
    counts = np.array(lengths)
    mask = (np.arange(counts.max()) < counts[:, None]).astype(np.int64)
    ids = np.random.default_rng(seed).integers(4, VOCABULARY, mask.shape)
    ids[-1, 1:2] = pad_id
    return np.where(mask == 1, ids, pad_id), mask


def looped_attention(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    begins: torch.Tensor,
    begins_of_keys: torch.Tensor,
    longest: int,
    longest_key: int,
) -> torch.Tensor:
    """What torch's varlen attention computes, one text after the other."""
    assert begins.dtype == begins_of_keys.dtype == torch.int32
    assert longest == longest_key == int(begins.diff().max())
    texts = (
        torch.nn.functional.scaled_dot_product_attention(
            *(each[start:end].transpose(0, 1) for each in (query, key, value))
        )
        for start, end in zip(begins[:-1].tolist(), begins[1:].tolist(), strict=True)
    )
    return torch.cat([text.transpose(0, 1) for text in texts])
