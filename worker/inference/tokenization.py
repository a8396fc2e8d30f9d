"""Texts to token ids, through the model's own fast tokenizer; in one call for all of a request.

Owns truncation at the model's maximum length and the isolation of a text that the tokenizer refuses. Pads nothing:
that is the packing's business.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import Final

import numpy as np
from tokenizers import Encoding, Tokenizer

from worker.errors import DeadReason, RecordError, Stage
from worker.records import Encoded

PANIC: Final = "PanicException"  # of pyo3, which offers no name to import


class TextEncoder:
    """A tokenizer fixed to one maximum length. Safe to call from several threads."""

    def __init__(self, tokenizer: Tokenizer, *, max_length: int, truncation_side: str = "right") -> None:
        tokenizer.no_padding()
        tokenizer.enable_truncation(max_length, direction=truncation_side)
        self._tokenizer = tokenizer
        self._max_length = max_length

    def encode(self, texts: Sequence[str]) -> list[Encoded | RecordError]:
        """Token ids of every text, in order; a text that the tokenizer refuses costs its neighbours nothing."""
        try:
            encodings = self._tokenized(texts)
        except Exception:  # noqa: BLE001 - the tokenizer raises bare Exception, and does not say which text it was
            return [self._encode_alone(text) for text in texts]
        return self._encoded(encodings)

    def _encode_alone(self, text: str) -> Encoded | RecordError:
        try:
            return self._encoded(self._tokenized([text]))[0]
        except Exception as error:  # noqa: BLE001 - as above
            return _refused(f"the tokenizer refuses this text ({type(error).__name__})")

    def _tokenized(self, texts: Sequence[str]) -> Sequence[Encoding]:
        """Raises Exception, also where the tokenizer panics: a damaged one does, with what is no Exception."""
        try:
            return self._tokenizer.encode_batch_fast(list(texts))
        except BaseException as error:
            if type(error).__name__ == PANIC:
                raise RuntimeError(PANIC) from None
            raise

    def _encoded(self, encodings: Sequence[Encoding]) -> list[Encoded | RecordError]:
        """Of all texts at once: an array made of each list of ids alone takes three times as long."""
        lists = [encoding.ids for encoding in encodings]
        ids = np.fromiter(chain.from_iterable(lists), dtype=np.int32, count=sum(map(len, lists)))
        encoded: list[Encoded | RecordError] = []
        end = 0
        for encoding, tokens in zip(encodings, map(len, lists), strict=True):
            begin, end = end, end + tokens
            if not tokens:
                encoded.append(_refused("the tokenizer finds no token in this text"))
            else:
                # what overflows is asked for only where there may be something: the answer is a list made anew
                truncated = tokens >= self._max_length and bool(encoding.overflowing)
                encoded.append(Encoded(ids[begin:end], truncated))
        return encoded


def _refused(detail: str) -> RecordError:
    return RecordError(Stage.INFERENCE, DeadReason.TOKENIZATION_FAILED, detail)
