"""Model folders without a model: what can be read of one before any weights are loaded."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.unit.inference.words import tokenizer

CONFIG: dict[str, Any] = {
    "model_type": "bert",
    "id2label": {"0": "sadness", "1": "joy"},
    "problem_type": "single_label_classification",
    "max_position_embeddings": 512,
}
TOKENIZER_CONFIG: dict[str, Any] = {"model_max_length": 128, "pad_token": "[PAD]"}


def write_json(path: Path, content: object) -> None:
    path.write_text(json.dumps(content))


def model_folder(folder: Path, *, weights: str = "model.safetensors", **config: Any) -> Path:
    """A folder whose weights are a few bytes; `config` changes config.json, None takes a key out."""
    folder.mkdir(parents=True, exist_ok=True)
    merged = {key: value for key, value in (CONFIG | config).items() if value is not None}
    write_json(folder / "config.json", merged)
    write_json(folder / "tokenizer_config.json", TOKENIZER_CONFIG)
    tokenizer().save(str(folder / "tokenizer.json"))
    (folder / weights).write_bytes(b"weights")
    return folder
