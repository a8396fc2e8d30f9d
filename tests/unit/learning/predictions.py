"""Lines as `classify` writes them, of models whose errors are known."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from worker.learning.observed import Observed, Tokens
from worker.records import ModelInfo, Task

LABELS = ("joy", "anger", "fear")


def single(size: int, *, seed: int = 0, right: float | None = None, labels: tuple[str, ...] = LABELS) -> Observed:
    """A model that is right with the probability it states, or (`right`) always with that one."""
    rng = np.random.default_rng(seed)
    top = rng.beta(6, 1, size) * (1 - 1 / len(labels)) + 1 / len(labels)
    scores = np.tile(((1 - top) / max(1, len(labels) - 1))[:, None], (1, len(labels)))
    answer = rng.integers(0, len(labels), size)
    scores[np.arange(size), answer] = top if len(labels) > 1 else 1.0
    correct = rng.random(size) < (top if right is None else right)
    true = np.where(correct, answer, (answer + 1) % len(labels))
    return observed(scores, np.eye(len(labels), dtype=np.bool_)[true], labels=labels)


def multi(size: int, *, seed: int = 0) -> Observed:
    """A model whose every score is the probability of its label."""
    rng = np.random.default_rng(seed)
    scores = rng.beta(0.6, 1.4, (size, len(LABELS)))
    return observed(scores, rng.random(scores.shape) < scores, task=Task.MULTI_LABEL)


def observed(
    scores: np.ndarray, truth: np.ndarray, *, labels: tuple[str, ...] = LABELS, task: Task = Task.SINGLE_LABEL
) -> Observed:
    names = [tuple(label for label, true in zip(labels, row, strict=True) if true) for row in truth.tolist()]
    return Observed(
        model=ModelInfo("my-model", "sha256:m", task, labels, 0, "openvino", "float32", ""),
        scores=scores.astype(np.float32),
        truth=truth.astype(np.bool_),
        truncated=np.zeros(len(scores), dtype=np.bool_),
        texts=[f"text {number}" for number in range(len(scores))],
        labels=names,
    )


def with_tokens(found: Observed, surprise: Sequence[float], content: Sequence[int]) -> Observed:
    tokens = Tokens(np.array(surprise, dtype=np.float64), np.array(content, dtype=np.int64), "sha256:t")
    return Observed(**{**vars(found), "tokens": tokens})


def with_energy(found: Observed) -> Observed:
    """As if surer texts had larger logits."""
    energy = 10.0 * found.scores.max(axis=1).astype(np.float64)
    return Observed(**{**vars(found), "energy": energy})


def write(path: Path, found: Observed, **changes: Any) -> Path:
    """The lines that `classify` would have written of these texts, the most likely label accepted."""
    lines = []
    for row, scores in enumerate(found.scores.tolist()):
        truth = found.labels[row]
        line = {
            "outcome": "accepted",
            "reasons": [],
            "labels": [found.model.labels[int(np.argmax(scores))]],
            "scores": dict(zip(found.model.labels, scores, strict=True)),
            "model": {"name": found.model.name, "revision": found.model.revision, "task": found.model.task},
            "policy": None,
            "truncated": bool(found.truncated[row]),
            "payload": {"text": found.texts[row], **({"labels": truth} if found.multi_label else {"label": truth[0]})},
            "engine": {"backend": "openvino", "precision": "float32"},
            "energy": None if found.energy is None else float(found.energy[row]),
            "domain": None
            if found.tokens is None
            else {
                "surprise": float(found.tokens.surprise[row]),
                "content_tokens": int(found.tokens.content[row]),
                "table": found.tokens.table,
            },
        }
        lines.append(json.dumps({**line, **changes}))
    path.write_text("\n".join(lines) + "\n")
    return path
