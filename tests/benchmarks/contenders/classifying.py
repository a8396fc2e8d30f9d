"""The model's part, the same in every contender: Hugging Face `pipeline`, and the event made of its scores."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Callable, Sequence
from typing import Any


def classifier(checkpoint: str, *, batch_size: int) -> Callable[[Sequence[str]], list[list[dict[str, Any]]]]:
    """Texts to the scores of every label."""
    from transformers import logging, pipeline

    logging.set_verbosity_error()
    classify = pipeline("text-classification", model=checkpoint, top_k=None, batch_size=batch_size, device="cpu")
    return lambda texts: classify(list(texts), truncation=True)


def event(payload: dict[str, Any], scores: Sequence[dict[str, Any]]) -> dict[str, Any]:
    best = max(scores, key=lambda score: score["score"])
    return {**payload, "label": best["label"], "scores": {score["label"]: score["score"] for score in scores}}


def encoded(payload: dict[str, Any], scores: Sequence[dict[str, Any]]) -> bytes:
    return json.dumps(event(payload, scores)).encode()


def end_at_sigterm() -> None:
    """As the end of the program, so that `finally` and `with` do what they should."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
