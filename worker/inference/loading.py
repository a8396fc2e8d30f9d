"""From a model's name to a warm engine: which backend, device and precision `auto` means here.

A CUDA device and a Hugging Face checkpoint: torch. Otherwise OpenVINO on the CPU: an IR or ONNX file as it is, a
checkpoint exported once and cached; torch on the CPU where a checkpoint cannot be exported. A backend's module, and
with it torch or OpenVINO, is imported only when it is used.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import structlog

from worker.errors import ExportError, ModelError
from worker.inference.agreement import check_quantized
from worker.inference.checkpoint import Checkpoint, content_hash, read_checkpoint
from worker.inference.cpus import plan_workers, usable_cpus
from worker.inference.engine import Engine, EngineOptions
from worker.inference.export_cache import exported
from worker.inference.sources import resolve
from worker.ports import Backend
from worker.records import ModelInfo

log = structlog.get_logger(__name__)

BACKENDS: Final = ("auto", "torch", "openvino")
NVIDIA_DRIVER: Final = Path("/proc/driver/nvidia/version")


@dataclass(frozen=True, slots=True)
class Choice:
    """Which backend, where and in which arithmetic, in the words of the configuration's `model` section."""

    backend: str
    device: str
    precision: str


def load_engine(
    name: str,
    *,
    revision: str | None = None,
    backend: str = "auto",
    device: str = "auto",
    precision: str = "auto",
    options: EngineOptions | None = None,
    check_agreement: bool = True,
) -> Engine:
    """The model called `name`, loaded and warm. Raises ModelError, in one line that says what to change.

    A quantized model whose folder says that it stands too far from float32 is refused, and one that says nothing of it
    is warned of, unless `check_agreement` is off: for whoever is about to measure it.
    """
    options = options or EngineOptions()
    source = resolve(name, revision=revision)
    checkpoint = read_checkpoint(source.folder)
    loaded, made = _load_backend(name, checkpoint, Choice(backend, device, precision), workers=options.workers)
    if made.precision == "int8" and check_agreement:
        _check_agreement(name, checkpoint.folder)
    info = ModelInfo(
        name=name,
        revision=source.revision,
        task=checkpoint.task,
        labels=checkpoint.labels,
        max_length=checkpoint.max_length,
        backend=made.backend,
        precision=made.precision,
        device=made.device,
    )
    engine = Engine(
        info=info,
        encoder=checkpoint.text_encoder(),
        backend=loaded,
        pad_id=checkpoint.pad_id,
        options=options,
        policy_file=checkpoint.policy_file,
        surprise_file=checkpoint.surprise_file,
    )
    try:
        engine.warm_up()
    except ModelError:
        engine.close()
        raise
    return engine


def _load_backend(name: str, checkpoint: Checkpoint, wanted: Choice, *, workers: int | None) -> tuple[Backend, Choice]:
    """The backend that suits, and what `auto` came to mean."""
    if wanted.backend not in BACKENDS:
        raise ModelError(f"model.backend {wanted.backend!r} is not known: {', '.join(BACKENDS)}")
    wants_cuda = wanted.device not in ("auto", "cpu")
    if wanted.backend == "openvino" and wants_cuda:
        raise ModelError(f"model.backend openvino runs on the CPU: leave model.device {wanted.device} to torch")
    if wanted.backend == "torch" or wants_cuda:
        return _load_torch(name, checkpoint, wanted, workers=workers)
    automatic = wanted.backend == wanted.device == "auto"
    if automatic and checkpoint.has_safetensors and _cuda_is_there():
        return _load_torch(name, checkpoint, wanted, workers=workers)
    try:
        return _load_openvino(name, checkpoint, wanted, workers=workers)
    except ExportError as error:
        if wanted.backend == "openvino":
            raise
        log.warning("model.not_exported", model=name, reason=str(error), backend="torch")
        return _load_torch(name, checkpoint, replace(wanted, device="cpu"), workers=workers)


def _load_torch(name: str, checkpoint: Checkpoint, wanted: Choice, *, workers: int | None) -> tuple[Backend, Choice]:
    if not checkpoint.has_safetensors:
        raise ModelError(f"model {name} has no model.safetensors, which torch needs: use openvino on the CPU")
    _require_torch(f"model {name} on torch")
    from worker.inference.torch_backend import choose_device, choose_precision, load_torch

    device = choose_device(wanted.device)
    made = Choice("torch", str(device), choose_precision(wanted.precision, device))
    backend = load_torch(
        checkpoint.folder, device=device, precision=made.precision, cpus=usable_cpus(), workers=workers
    )
    return backend, made


def _load_openvino(name: str, checkpoint: Checkpoint, wanted: Choice, *, workers: int | None) -> tuple[Backend, Choice]:
    from worker.inference.openvino_backend import OpenVinoModel, choose_precision

    file = checkpoint.openvino_file
    if file is None:
        _require_torch(f"model {name} is no OpenVINO or ONNX file yet; exporting it once")
        choose_precision(wanted.precision, checkpoint.folder, quantized=False)  # a wrong one fails before the work
        file = exported(checkpoint.folder)
    model = OpenVinoModel(file)
    if model.labels not in (None, len(checkpoint.labels)):
        raise ModelError(f"{file}: {model.labels} logits, but config.json names {len(checkpoint.labels)} labels")
    precision = choose_precision(wanted.precision, file, quantized=model.quantized)
    plan = plan_workers(weights=model.weights, cpus=usable_cpus(), workers=workers)
    return model.compile(precision=precision, plan=plan), Choice("openvino", "cpu", precision)


def _check_agreement(name: str, folder: Path) -> None:
    if not check_quantized(folder, revision=content_hash(folder)):
        log.warning("model.agreement_unknown", model=name, advice="export it with emostream export, which measures it")


def _require_torch(purpose: str) -> None:
    missing = [package for package in ("torch", "transformers") if find_spec(package) is None]
    if missing:
        raise ModelError(f"{purpose} needs {' and '.join(missing)}: pip install 'emostream[torch]'")


def _cuda_is_there() -> bool:
    """Asked without importing torch where no driver is loaded: that would cost every start seconds."""
    if not NVIDIA_DRIVER.exists() or find_spec("torch") is None:
        return False
    import torch

    return torch.cuda.is_available()
