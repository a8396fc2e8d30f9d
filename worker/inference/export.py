"""Hugging Face checkpoints to OpenVINO IR, checked against torch before anyone relies on it.

Needs the torch extra (and nncf, from the learning extra, for int8 weights). The result is a model folder again:
`openvino_model.xml` and `.bin` beside the configuration and the tokenizer.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
import openvino as ov
import torch

from worker.errors import ExportError, ModelError
from worker.inference.checkpoint import Checkpoint, read_checkpoint
from worker.inference.forms import save_form
from worker.inference.torch_backend import load_model

MAX_DIFFERENCE: Final = 1e-3  # of float32 logits, relative to their size; wrong traces are off by far more

Weights = Literal["float32", "float16", "int8"]


def export_openvino(model_dir: Path, out_dir: Path, *, weights: Weights) -> None:
    """Write the model of `model_dir` to `out_dir` as IR, its weights stored as said (computed as the loader says).

    `int8` is row-wise and moves probabilities by up to a few hundredths. Raises ModelError.
    """
    model = converted(read_checkpoint(model_dir))
    if weights == "int8":
        model = _compressed(model)
    save_form(model, model_dir, out_dir, halved=weights == "float16")


def converted(checkpoint: Checkpoint) -> Any:
    """The checkpoint's float32 model for OpenVINO, checked against torch. Raises ModelError."""
    model = load_model(checkpoint.folder)
    made = _convert(model, _example(model, checkpoint.pad_id, texts=2, length=7))
    _check(made, model, _example(model, checkpoint.pad_id, texts=3, length=16))
    return made


class _Logits(torch.nn.Module):
    """The model as the backend calls it: two tensors in, logits out."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.model(input_ids=input_ids, attention_mask=attention_mask).logits
        return logits


def _convert(model: Any, example: dict[str, torch.Tensor]) -> Any:
    traced = _Logits(model).eval()
    try:
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")  # the tracer warns of every branch; the check below judges the result
            converted = ov.convert_model(traced, example_input=example)
    except Exception as error:
        raise ExportError(f"cannot be exported to OpenVINO: {type(error).__name__}") from error
    converted.output(0).get_tensor().set_names({"logits"})
    return converted


def _check(converted: Any, model: Any, example: dict[str, torch.Tensor]) -> None:
    """Compare with torch on `example`, whose shape was not traced."""
    with torch.no_grad():
        expected = model(**example).logits.numpy()
    try:
        settings = {"INFERENCE_PRECISION_HINT": "f32"}
        compiled = ov.Core().compile_model(converted, "CPU", settings)
        actual = compiled([tensor.numpy() for tensor in example.values()])[0]
    except RuntimeError as error:
        raise ExportError("the exported model does not run on texts of another length") from error
    difference = float(np.abs(actual - expected).max() / max(1.0, np.abs(expected).max()))
    if not difference <= MAX_DIFFERENCE:
        raise ExportError(f"the exported model's logits differ from torch's by {difference:.2g}")


def _example(model: Any, pad_id: int, *, texts: int, length: int) -> dict[str, torch.Tensor]:
    """Token ids and mask with a padded last row: a trace without padding would leave the mask out."""
    vocabulary = int(model.config.vocab_size)
    input_ids = torch.arange(texts * length).reshape(texts, length) % vocabulary
    input_ids[input_ids == pad_id] = (pad_id + 1) % vocabulary
    attention_mask = torch.ones_like(input_ids)
    input_ids[-1, length // 2 :] = pad_id
    attention_mask[-1, length // 2 :] = 0
    return {"input_ids": input_ids, "attention_mask": attention_mask}


def _compressed(converted: Any) -> Any:
    try:
        import nncf
    except ImportError:
        raise ModelError("storing weights as int8 needs nncf: pip install 'emostream[learning]'") from None
    return nncf.compress_weights(converted, mode=nncf.CompressWeightsMode.INT8_SYM)
