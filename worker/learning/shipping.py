"""From a trained folder to the one that ships, the form CPUs run without torch; and what an engine says of texts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from worker.errors import InferenceError, RecordError
from worker.ports import Classifier
from worker.records import Encoded, Prediction


def ship(source: Path, target: Path, *, torch_form: bool) -> None:
    """Write `target` anew from the trained folder `source`: OpenVINO IR with row-wise int8 weights, configuration and
    tokenizer, and, with `torch_form`, the Hugging Face weights in float16."""
    from worker.inference.export import export_openvino

    target.mkdir(parents=True, exist_ok=True)
    for old in target.iterdir():
        old.unlink()
    export_openvino(source, target, weights="int8")
    if torch_form:
        _save_half(source / "model.safetensors", target / "model.safetensors")


def scores(classifier: Classifier, texts: Sequence[str]) -> NDArray[np.float32]:
    """Probabilities [texts, labels]."""
    encoded = [item for item in classifier.encode(texts) if not isinstance(item, RecordError)]
    results = classifier.predict(encoded).results
    found = [result.scores for result in results if isinstance(result, Prediction)]
    if len(found) != len(texts):
        raise InferenceError(f"{len(texts) - len(found)} of {len(texts)} texts got no scores")
    return np.stack(found)


def token_ids(classifier: Classifier, texts: Sequence[str]) -> list[NDArray[np.int32]]:
    """What the model reads of each text; those it refuses are left out."""
    return [each.ids for each in classifier.encode(texts) if isinstance(each, Encoded)]


def _save_half(source: Path, target: Path) -> None:
    import torch
    from safetensors.torch import load_file, save_file

    halves = {name: tensor.to(torch.float16).contiguous() for name, tensor in load_file(source).items()}
    save_file(halves, target, metadata={"format": "pt"})
    target.chmod(0o644)  # safetensors writes for the owner alone, and a wheel keeps that
