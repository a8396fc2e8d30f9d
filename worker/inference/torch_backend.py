"""The reference backend, and the GPU's: torch over `AutoModelForSequenceClassification`.

Loads safetensors only: no pickle, no remote code, no network. How a micro-batch lies in the model is
`torch_layouts`' business, how it gets there and back `torch_lanes`'. Knows nothing of tokenizers or labels.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

from worker.errors import EngineFailed, EngineLost, EngineOverloaded, ModelError
from worker.inference.cpus import plan_workers
from worker.inference.packing_choice import choose_layout
from worker.inference.torch_lanes import Cuda, DeviceLane, HostLane, Lane, Lanes
from worker.inference.torch_layouts import Layout
from worker.ports import Filling

DTYPES: Final = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
OUT_OF_MEMORY: Final = ("not enough memory", "can't allocate memory", "out of memory")
BFLOAT16_CPUS: Final = ("avx512_bf16", "amx_bf16")
LANES_ON_CUDA: Final = 2
"""Micro-batches in flight: one is computed while the other is copied."""


def choose_device(wanted: str) -> torch.device:
    """The device called `wanted` (auto, cpu, cuda, cuda:N). Raises ModelError where it is not there."""
    if wanted == "auto":
        return torch.device("cuda", 0) if torch.cuda.is_available() else torch.device("cpu")
    try:
        device = torch.device(wanted)
    except RuntimeError:
        raise ModelError(f"model.device {wanted!r} is not known: auto, cpu, cuda or cuda:N") from None
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise ModelError(f"model.device {wanted} is not there: torch sees {torch.cuda.device_count()} CUDA devices")
    return device


def device_name(device: str) -> str:
    """What the driver calls this CUDA device."""
    return str(torch.cuda.get_device_name(torch.device(device)))


def choose_precision(wanted: str, device: torch.device) -> str:
    """The precision called `wanted`; auto: bfloat16 where the device computes in it, else float32."""
    if wanted != "auto":
        if wanted not in DTYPES:
            raise ModelError(f"model.precision {wanted} is not offered by torch: {', '.join(DTYPES)}")
        return wanted
    if device.type == "cuda":
        return "bfloat16" if torch.cuda.is_bf16_supported(including_emulation=False) else "float16"
    capabilities = torch.cpu.get_capabilities()
    return "bfloat16" if any(capabilities.get(name) for name in BFLOAT16_CPUS) else "float32"


def load_model(folder: Path, *, dtype: torch.dtype = torch.float32) -> Any:
    """The folder's classification model in eval mode, on the CPU. Raises ModelError."""
    from transformers import AutoModelForSequenceClassification
    from transformers.utils import logging

    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        model, report = AutoModelForSequenceClassification.from_pretrained(
            folder,
            dtype=dtype,
            use_safetensors=True,
            trust_remote_code=False,
            weights_only=True,
            local_files_only=True,
            output_loading_info=True,
        )
    except Exception as error:  # a folder that is not what it says makes the libraries raise anything
        raise ModelError(f"{folder}: transformers cannot load this model: {_first_line(error)}") from error
    if report["missing_keys"]:
        raise ModelError(
            f"{folder}: the checkpoint lacks {len(report['missing_keys'])} weights of a classification model "
            f"(such as {min(report['missing_keys'])}): fine-tune it first, for example with emostream train"
        )
    return model.eval()


def load_torch(folder: Path, *, device: torch.device, precision: str, cpus: int, workers: int | None) -> TorchBackend:
    """The folder's model on a device in a precision (a key of DTYPES). Raises ModelError."""
    model = load_model(folder, dtype=DTYPES[precision])
    if device.type == "cuda":
        return _on_cuda(folder, model, device, lanes=workers or LANES_ON_CUDA)
    plan = plan_workers(weights=_matrix_weights(model), cpus=cpus, workers=workers)
    lanes = [HostLane(threads=plan.threads) for _ in range(plan.workers)]
    return TorchBackend(choose_layout(model, device), lanes, device=device)


def _on_cuda(folder: Path, model: Any, device: torch.device, *, lanes: int) -> TorchBackend:
    try:
        model = model.to(device)
        layout = choose_layout(model, device)
        cuda = Cuda(device)
        return TorchBackend(layout, [DeviceLane(cuda) for _ in range(lanes)], device=device)
    except torch.OutOfMemoryError as error:
        raise ModelError(f"{folder}: the model does not fit in the memory of {device}") from error
    except torch.AcceleratorError as error:
        raise ModelError(f"{folder}: {device} cannot be used: {_first_line(error)}") from error


class TorchBackend:
    """A model in eval mode (`worker.ports.Backend`); as many calls run at once as there are lanes."""

    def __init__(self, layout: Layout, lanes: Sequence[Lane], *, device: torch.device) -> None:
        self.concurrency = len(lanes)
        self.filling = Filling.PADDED if layout.pads else Filling.EXACT
        self._layout: Layout | None = layout
        self._lanes = Lanes(lanes)
        self._device = device

    def run(self, input_ids: NDArray[np.int64], attention_mask: NDArray[np.int64]) -> NDArray[np.float32]:
        layout = self._layout
        if layout is None:
            raise EngineLost("the model was closed")
        try:
            return self._lanes.run(layout.lay(input_ids, attention_mask))
        except EngineLost:
            raise
        except (torch.OutOfMemoryError, MemoryError) as error:
            torch.cuda.empty_cache()
            raise EngineOverloaded("out of memory") from error
        except torch.AcceleratorError as error:
            raise EngineLost(f"{self._device} cannot be used any more: {_first_line(error)}") from error
        except Exception as error:  # a model's code may raise anything for an odd text
            raise _translated(error) from error

    def close(self) -> None:
        self._layout = None
        self._lanes.close()
        if self._device.type == "cuda":
            torch.cuda.empty_cache()


def _matrix_weights(model: Any) -> int:
    """Weights that take part in matrix products: all but the embedding tables."""
    embeddings = {id(p) for m in model.modules() if isinstance(m, torch.nn.Embedding) for p in m.parameters()}
    return sum(p.numel() for p in model.parameters() if id(p) not in embeddings)


def _translated(error: Exception) -> EngineOverloaded | EngineFailed:
    message = str(error).lower()
    if any(sign in message for sign in OUT_OF_MEMORY):
        return EngineOverloaded("out of memory")
    return EngineFailed(f"torch refuses this micro-batch: {_first_line(error)}")


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
