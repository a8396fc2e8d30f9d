"""Makes the table of token surprise that is stored beside a model (`worker.decision.domain` reads it)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from worker.decision.domain import SurpriseTable

TokenIds = Sequence[NDArray[np.int32]]

FALSE_ALARM_RATES = (0.05, 0.02, 0.01, 0.005)
SMOOTHING = 0.5
SPREAD_IF_ALL_ALIKE = 1.0


def surprise_table(training: TokenIds, held_back: TokenIds, tokenizer: Tokenizer) -> SurpriseTable:
    """How rare each token is among `training` texts, and which surprise few of the `held_back` ones exceed.

    A token's surprise is -ln of the smoothed share of texts that hold it. The tokenizer's unknown token counts as
    content: a script it has never seen is nothing but that.
    """
    size = tokenizer.get_vocab_size(with_added_tokens=True)
    holding = np.zeros(size, dtype=np.int64)
    for text in training:
        holding[np.unique(text)] += 1
    surprise = -np.log((holding + SMOOTHING) / (len(training) + 2 * SMOOTHING))
    content = content_tokens(tokenizer)
    every = np.concatenate(training) if training else np.empty(0, np.int32)
    spent = surprise[every[content[every]]]
    table = SurpriseTable(
        surprise=np.where(content, surprise, 0.0).astype(np.float16).astype(np.float32),
        content=content,
        mean=float(spent.mean()) if len(spent) else 0.0,
        spread=float(spent.std()) or SPREAD_IF_ALL_ALIKE if len(spent) else SPREAD_IF_ALL_ALIKE,
        quantiles={},
    )
    return replace(table, quantiles={rate: threshold_at(table, held_back, rate) for rate in FALSE_ALARM_RATES})


def threshold_at(table: SurpriseTable, in_domain: TokenIds, false_alarm_rate: float) -> float:
    """The surprise that at most this share of in-domain texts exceeds; infinite without texts."""
    if not len(in_domain):
        return float("inf")
    surprise, _ = table.judge(list(in_domain))
    return float(np.quantile(surprise, 1.0 - false_alarm_rate, method="higher"))


def content_tokens(tokenizer: Tokenizer) -> NDArray[np.bool_]:
    """Which tokens hold a letter or digit, bool [vocabulary]; special ones do not, but the unknown token counts."""
    size = tokenizer.get_vocab_size(with_added_tokens=True)
    content = np.array([any(map(str.isalnum, tokenizer.decode([token]))) for token in range(size)], dtype=np.bool_)
    for token, added in tokenizer.get_added_tokens_decoder().items():
        content[token] = content[token] and not added.special
    unknown = tokenizer.token_to_id(getattr(tokenizer.model, "unk_token", None) or "[UNK]")
    if unknown is not None:
        content[unknown] = True
    return content
