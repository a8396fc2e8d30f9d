"""Texts to token ids, through the model's own fast tokenizer; in one call for all of a request.

Owns truncation at the model's maximum length and the isolation of a text that the tokenizer refuses. Pads nothing:
that is the packing's business.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from tokenizers import Encoding, Tokenizer

from worker.errors import DeadReason, RecordError, Stage
from worker.records import Encoded


class TextEncoder:
    """A tokenizer fixed to one maximum length. Safe to call from several threads."""

    def __init__(self, tokenizer: Tokenizer, *, max_length: int, truncation_side: str = "right") -> None:
        tokenizer.no_padding()
        tokenizer.enable_truncation(max_length, direction=truncation_side)
        self._tokenizer = tokenizer

    def encode(self, texts: Sequence[str]) -> list[Encoded | RecordError]:
        """Token ids of every text, in order; a text that the tokenizer refuses costs its neighbours nothing."""
        try:
            encodings = self._tokenizer.encode_batch_fast(list(texts))
        except Exception:  # noqa: BLE001 - the tokenizer raises bare Exception, and does not say which text it was
            return [self._encode_alone(text) for text in texts]
        return [_encoded(encoding) for encoding in encodings]

    def _encode_alone(self, text: str) -> Encoded | RecordError:
        try:
            return _encoded(self._tokenizer.encode_batch_fast([text])[0])
        except Exception as error:  # noqa: BLE001 - as above
            return _refused(f"the tokenizer refuses this text ({type(error).__name__})")


def _encoded(encoding: Encoding) -> Encoded | RecordError:
    ids = np.array(encoding.ids, dtype=np.int32)
    if not ids.size:
        return _refused("the tokenizer finds no token in this text")
    return Encoded(ids, truncated=bool(encoding.overflowing))


def _refused(detail: str) -> RecordError:
    return RecordError(Stage.INFERENCE, DeadReason.TOKENIZATION_FAILED, detail)
