"""The torch backend on a CUDA device; collected only where there is one (conftest.py)."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from tests.integration.inference.tiny_families import FAMILIES, made_up, pad_id_of, tiny_model
from tests.tiny_bert import texts
from worker.errors import RecordError
from worker.inference.engine import Engine, EngineOptions
from worker.inference.loading import load_engine
from worker.inference.packing_choice import OLDEST_CAPABILITY, choose_layout
from worker.inference.torch_backend import TorchBackend
from worker.inference.torch_lanes import Cuda, DeviceLane, HostLane
from worker.inference.torch_layouts import Padded

pytestmark = [pytest.mark.torch, pytest.mark.cuda]

DEVICE = torch.device("cuda", 0)
CPU = torch.device("cpu")
LENGTHS = [5, 64, 1, 17, 17, 2]
HALF = [torch.bfloat16, torch.float16]
CLOSE = 0.05  # of the largest logit


def on_device(family: str, dtype: torch.dtype) -> TorchBackend:
    model: Any = tiny_model(family).to(device=DEVICE, dtype=dtype)
    cuda = Cuda(DEVICE)
    return TorchBackend(choose_layout(model, DEVICE), [DeviceLane(cuda) for _ in range(2)], device=DEVICE)


def in_float32(family: str) -> TorchBackend:
    return TorchBackend(Padded(tiny_model(family)), [HostLane(threads=1)], device=CPU)


def distance(expected: NDArray[np.float32], actual: NDArray[np.float32]) -> float:
    return float(np.abs(expected - actual).max() / np.abs(expected).max())


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("dtype", HALF)
def test_known_families_are_packed(family: str, dtype: torch.dtype) -> None:
    """Where the GPU is new enough for torch's attention over packed texts."""
    new_enough = torch.cuda.get_device_capability(DEVICE) >= OLDEST_CAPABILITY

    assert new_enough is not on_device(family, dtype).pads


@pytest.mark.parametrize("family", [*FAMILIES, "electra"])
@pytest.mark.parametrize("dtype", [torch.float32, *HALF])
def test_logits_are_those_of_the_cpu(family: str, dtype: torch.dtype) -> None:
    """Packed or padded, within what 16 bits allow."""
    request = made_up(LENGTHS, pad_id=pad_id_of(family))

    found = on_device(family, dtype).run(*request)

    assert distance(in_float32(family).run(*request), found) < CLOSE


def test_calls_at_once_do_not_meet() -> None:
    """Two lanes under eight threads: each call gets its own results, again and again."""
    backend = on_device("bert", torch.bfloat16)
    requests = [made_up([1 + seed % 40, 3, 1 + seed % 7], pad_id=0, seed=seed) for seed in range(200)]
    expected = [backend.run(*request) for request in requests]

    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(lambda request: backend.run(*request), requests))

    assert max(map(distance, expected, found)) < CLOSE


def test_an_engine_on_the_device_agrees_with_the_cpu(checkpoint: Path) -> None:
    """Over whole waves, with the budget probed there."""
    request = texts(300)
    found: list[NDArray[np.float32]] = []
    for device, precision in (("cpu", "float32"), ("cuda", "bfloat16")):
        engine = load_engine(
            str(checkpoint),
            backend="torch",
            device=device,
            precision=precision,
            options=EngineOptions(cache_size=0),
        )
        try:
            found.append(scores_of(engine, request))
        finally:
            engine.close()

    assert float(np.abs(found[0] - found[1]).max()) < 0.05


def scores_of(engine: Engine, request: list[str]) -> NDArray[np.float32]:
    encoded = [each for each in engine.encode(request) if not isinstance(each, RecordError)]
    results = [each for each in engine.predict(encoded).results if not isinstance(each, RecordError)]
    assert len(request) == len(results)
    return np.stack([each.scores for each in results])
