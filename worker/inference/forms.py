"""A model's float form in memory, and any form of it written as a model folder.

Knows no torch: a checkpoint is converted by `worker.inference.export`, which is imported when there is one to convert.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any, Final

import openvino as ov

from worker.errors import ModelError
from worker.inference.checkpoint import Checkpoint
from worker.inference.openvino_backend import OpenVinoModel

COPIED: Final = ("config.json", "tokenizer.json", "tokenizer_config.json")
IR_FILE: Final = "openvino_model.xml"


def float_model(checkpoint: Checkpoint) -> Any:
    """The folder's model for OpenVINO, in float: its checkpoint if it has one, else its IR or ONNX file.

    Raises ModelError, for a quantized one too: what quantization took away does not come back.
    """
    if checkpoint.has_safetensors:
        from worker.inference.export import converted

        return converted(checkpoint)
    file = checkpoint.openvino_file
    if file is None:
        raise ModelError(f"{checkpoint.folder}: no weights that can be exported")
    read = OpenVinoModel(file)
    if read.quantized:
        raise ModelError(f"{file}: the model is int8 already: export the one it was made from")
    return read.graph


def save_form(model: Any, source: Path, out: Path, *, halved: bool) -> None:
    """Write `model` to the folder `out` as IR, its floats in 16 bits if `halved`, with configuration and tokenizer of
    the folder `source`."""
    out.mkdir(parents=True, exist_ok=True)
    ov.save_model(model, out / IR_FILE, compress_to_fp16=halved)
    for name in COPIED:
        if (out / name).resolve() != (source / name).resolve():
            shutil.copyfile(source / name, out / name)
