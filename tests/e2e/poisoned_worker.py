"""`emostream run` whose model cannot bear one word. Run as a program: `poisoned_worker KIND WORD --config …`.

KIND is what OpenVINO does with a micro-batch that holds the word: `raises`, `memory` (it takes all there is) or `nan`.
At its end it says on standard error how many forward passes there were.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from worker.cli import app
from worker.inference.openvino_backend import OpenVinoBackend
from worker.inference.openvino_inputs import ModelInputs
from worker.inference.tokenization import TextEncoder


class PoisonedRequest:
    """An infer request in front of the real one."""

    kind = ""
    poison_id = -1
    passes = 0

    def __init__(self, request: Any) -> None:
        self._request = request

    def infer(self, inputs: dict[str, Any], **options: Any) -> Any:
        PoisonedRequest.passes += 1
        poisoned = self._poisoned_slots(inputs)
        if poisoned.any() and self.kind == "raises":
            raise RuntimeError("Exception from src/core.cpp:1\nno such operation")
        if poisoned.any() and self.kind == "memory":
            raise MemoryError
        outputs = self._request.infer(inputs, **options)
        logits = np.array(outputs[0], dtype=np.float32)
        logits[poisoned] = np.nan
        return [logits]

    def _poisoned_slots(self, inputs: dict[str, Any]) -> Any:
        """Which rows of the logits are those of texts with the word; texts share rows of the input."""
        texts = inputs["segment_ids"]
        with_word = np.unique(texts[inputs["input_ids"] == self.poison_id])
        return np.isin(np.take_along_axis(texts, inputs["first_tokens"], axis=1), with_word).reshape(-1)


def poison(kind: str, word: str) -> None:
    """From now on every OpenVINO model fails so on texts with the word, which must be one token."""
    PoisonedRequest.kind = kind
    made = OpenVinoBackend.__init__
    read = TextEncoder.__init__

    def with_poison(self: OpenVinoBackend, requests: list[Any], inputs: ModelInputs) -> None:
        made(self, [PoisonedRequest(request) for request in requests], inputs)

    def knowing_the_word(self: TextEncoder, tokenizer: Any, **options: Any) -> None:
        PoisonedRequest.poison_id = tokenizer.token_to_id(word)
        read(self, tokenizer, **options)

    replaced: Any = OpenVinoBackend
    replaced.__init__ = with_poison
    replaced = TextEncoder
    replaced.__init__ = knowing_the_word


def main() -> None:
    kind, word, *usual = sys.argv[1:]
    poison(kind, word)
    try:
        app(["run", *usual])
    finally:
        sys.stderr.write(f'{{"passes": {PoisonedRequest.passes}}}\n')


if __name__ == "__main__":
    main()
