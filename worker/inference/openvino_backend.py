"""The CPU backend: OpenVINO over an IR or an ONNX file.

Owns the execution settings: precision always said, never left to the plugin; activations never quantized by it, since
such a scale would be shared by the texts of a micro-batch; one infer request for each worker thread. Knows nothing of
tokenizers or labels.
"""

from __future__ import annotations

import queue
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np
import openvino as ov
import structlog
from numpy.typing import NDArray
from openvino.passes import ConstantFolding, Manager

from worker.errors import EngineFailed, EngineLost, EngineOverloaded, ModelError
from worker.inference.cpus import WorkerPlan
from worker.inference.first_token import keep_first_token
from worker.inference.graph_positions import source
from worker.inference.openvino_inputs import OPTIONAL_INPUT, REQUIRED_INPUTS, ModelInputs, PaddedInputs, RowInputs
from worker.inference.shared_rows import NotUnderstood, share_rows

log = structlog.get_logger(__name__)

DEVICE: Final = "CPU"
HINTS: Final = {"float32": "f32", "bfloat16": "bf16", "int8": "f32"}  # int8: what is not quantized stays exact
OUT_OF_MEMORY: Final = ("bad_alloc", "not enough memory", "out of memory", "cannot allocate", "failed to allocate")
# What may stand between stored weights and the matrix product that uses them.
UNPACKING: Final = frozenset({"Convert", "Subtract", "Multiply", "Reshape", "Transpose", "FakeQuantize"})


class OpenVinoModel:
    """A model file as read: what it is made of, before it is compiled."""

    def __init__(self, path: Path) -> None:
        """Read an IR (.xml with its .bin) or ONNX file. Raises ModelError."""
        if path.suffix == ".onnx" and b"DynamicQuantizeLinear" in path.read_bytes():
            raise ModelError(
                f"{path}: dynamically quantized, so a text's scores would depend on its neighbours: "
                "use the float model, or quantize it statically"
            )
        try:
            self._model: Any = ov.Core().read_model(path)
        except RuntimeError as error:
            raise ModelError(f"{path}: OpenVINO cannot read this model: {_in_one_line(error)}") from error
        self.path = path
        self.inputs = _checked_inputs(path, self._model)
        self.quantized: bool = any(op.get_type_name() == "FakeQuantize" for op in self._model.get_ops())
        self.weights = sum(
            _stored_weights(source)
            for op in self._model.get_ops()
            if op.get_type_name() == "MatMul"
            for source in _sources(op)
        )

    @property
    def graph(self) -> Any:
        """The model itself, for whoever writes it in another form."""
        return self._model

    @property
    def labels(self) -> int | None:
        """Logits of each text, where the file says so."""
        last = self._model.output(0).get_partial_shape()[-1]
        return last.get_length() if last.is_static else None

    def compile(self, *, precision: str, plan: WorkerPlan) -> OpenVinoBackend:
        """Make it ready to run with this arithmetic (a key of HINTS) on these threads."""
        graph, inputs = self._laid_out()
        if not self.quantized:
            # Weights stored in 8 or 16 bits are unpacked once instead of in every pass (MiniLM-L6: 1.12x in bfloat16).
            folding = Manager()
            folding.register_pass(ConstantFolding())
            folding.run_passes(graph)
        settings = {
            "INFERENCE_PRECISION_HINT": HINTS[precision],
            "DYNAMIC_QUANTIZATION_GROUP_SIZE": 0,
            "NUM_STREAMS": plan.workers,
            "INFERENCE_NUM_THREADS": plan.total_threads,
            # Pinned processes all start at the first CPU, whoever else is there.
            "ENABLE_CPU_PINNING": False,
        }
        try:
            compiled = ov.Core().compile_model(graph, DEVICE, settings)
            requests = [compiled.create_infer_request() for _ in range(plan.workers)]
        except RuntimeError as error:
            raise ModelError(f"{self.path}: OpenVINO cannot compile this model: {_in_one_line(error)}") from error
        return OpenVinoBackend(requests, inputs)

    def _laid_out(self) -> tuple[Any, ModelInputs]:
        """The graph as it is run, and how it is fed: texts share rows where that is understood."""
        try:
            shared = share_rows(self._model)
        except NotUnderstood as reason:
            log.info("model.layout", layout="padded", reason=str(reason))
            keep_first_token(self._model)
            return self._model, PaddedInputs(self.inputs)
        log.info("model.layout", layout="rows", reason=None)
        return shared.graph, RowInputs(shared.positions)


class OpenVinoBackend:
    """A compiled model (`worker.ports.Backend`); as many calls run at once as there are infer requests."""

    def __init__(self, requests: list[Any], inputs: ModelInputs) -> None:
        self.concurrency = len(requests)
        self.filling = inputs.filling
        self._inputs = inputs
        self._idle: queue.SimpleQueue[Any] = queue.SimpleQueue()
        for request in requests:
            self._idle.put(request)
        # Infer requests that are still alive when the interpreter ends can hang it: free them before, whatever happens.
        self._free: Callable[[], object] = weakref.finalize(self, _drain, self._idle)

    def run(self, input_ids: NDArray[np.int64], attention_mask: NDArray[np.int64]) -> NDArray[np.float32]:
        request = self._idle.get()
        if request is None:
            self._idle.put(None)
            raise EngineLost("the model was closed")
        try:
            inputs, rows = self._inputs.of(input_ids, attention_mask)
            outputs = request.infer(inputs, share_inputs=True)
            return np.array(outputs[0][rows], dtype=np.float32)
        except MemoryError as error:
            raise EngineOverloaded("out of memory") from error
        except Exception as error:  # the binding turns what it does not know into anything
            raise _translated(error) from error
        finally:
            self._idle.put(request)

    def close(self) -> None:
        self._free()


def choose_precision(wanted: str, file: Path, *, quantized: bool) -> str:
    """The precision called `wanted`; auto: bfloat16 where this CPU computes in it (2x on AVX512-BF16), else float32.

    int8 moves probabilities by up to a tenth, so a quantized model is run only where that was asked for.
    """
    if quantized != (wanted == "int8"):
        advice = "set model.precision: int8" if quantized else "it is not: emostream export makes one"
        raise ModelError(f"{file}: int8 needs a quantized model, and a quantized model needs int8; {advice}")
    offered = ["float32", *(["bfloat16"] if computes_bfloat16() else [])]
    if wanted not in ("auto", "int8", *offered):
        raise ModelError(f"model.precision {wanted} is not offered by openvino on this CPU: {', '.join(offered)}")
    return offered[-1] if wanted == "auto" else wanted


def computes_bfloat16() -> bool:
    return "BF16" in ov.Core().get_property(DEVICE, "OPTIMIZATION_CAPABILITIES")


def _drain(idle: queue.SimpleQueue[Any]) -> None:
    while not idle.empty():
        idle.get()
    idle.put(None)


def _translated(error: Exception) -> EngineOverloaded | EngineFailed:
    message = str(error).lower()
    if any(sign in message for sign in OUT_OF_MEMORY):
        return EngineOverloaded("out of memory")
    return EngineFailed(f"OpenVINO refuses this micro-batch: {_in_one_line(error)}")


def _in_one_line(error: Exception) -> str:
    """The vendor's own words on one line, without those that say in which of its files they were raised."""
    lines = [line.strip() for line in str(error).splitlines()]
    return " ".join(line for line in lines if line and not line.startswith(("Exception from", "Check '")))[:300]


def _checked_inputs(path: Path, model: Any) -> frozenset[str]:
    names: set[str] = set()
    for port in model.inputs:
        names.add(port.get_any_name())
        if any(dimension.is_static for dimension in port.get_partial_shape()):
            raise ModelError(f"{path}: input {port.get_any_name()} has a fixed shape: export it with dynamic axes")
    if not names >= REQUIRED_INPUTS or names - REQUIRED_INPUTS - {OPTIONAL_INPUT}:
        raise ModelError(f"{path}: inputs are {', '.join(sorted(names))}, expected input_ids and attention_mask")
    return frozenset(names)


def _sources(node: Any) -> list[Any]:
    return [source(node, index) for index in range(node.get_input_size())]


def _stored_weights(node: Any) -> int:
    """Values of the constants that `node` unpacks; 0 if it computes from the text."""
    kind = node.get_type_name()
    if kind == "Constant":
        return int(np.prod(node.get_output_shape(0)))
    return sum(map(_stored_weights, _sources(node))) if kind in UNPACKING else 0
