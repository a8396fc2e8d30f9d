"""What the machine can do at most: the best of many matrix products, and what a text takes of it.

`python -m tests.benchmarks.peak` prints GFLOP/s for each precision, measured on all cores with nothing else running.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

ROWS, INNER, OUTER, PRODUCTS = 1024, 768, 3072, 4
BEST_OF_S = 4.0
HOW = (
    f"best of {BEST_OF_S:.0f} s of chains of {PRODUCTS} matrix products of {ROWS} rows, {INNER} to {OUTER} and back, "
    "in OpenVINO and (float32, bfloat16) torch, all cores, the better of the two"
)


def flop_per_text(lengths: Iterable[int], config: Mapping[str, Any], *, last_layer_narrowed: bool = False) -> float:
    """Floating point operations (a multiply-add is two) of one text on average, real tokens only: projections, feed
    forward, attention scores and their use, pooler or its like, and the classifier.

    `last_layer_narrowed`: the last layer computes keys and values of all tokens, and the rest for the first one alone.
    """
    layers = config.get("num_hidden_layers") or config["n_layers"]
    width = config.get("hidden_size") or config["dim"]
    inner = config.get("intermediate_size") or config["hidden_dim"]
    tokens = np.asarray(list(lengths), dtype=np.float64)
    whole = 2 * tokens * (4 * width**2 + 2 * width * inner) + 4 * tokens**2 * width
    last = whole
    if last_layer_narrowed:
        last = 2 * tokens * 2 * width**2 + 2 * (2 * width**2 + 2 * width * inner) + 4 * tokens * width
    head = 2 * (width**2 + width * len(config["id2label"]))
    return float(((layers - 1) * whole + last + head).mean())


def measured() -> dict[str, float]:
    """GFLOP/s by precision."""
    flop = 2.0 * ROWS * INNER * OUTER * PRODUCTS
    found = {name: flop / _best(_openvino(name)) / 1e9 for name in ("float32", "bfloat16", "int8")}
    for name in ("float32", "bfloat16"):
        found[name] = max(found[name], flop / _best(_torch(name)) / 1e9)
    return {name: round(value, 1) for name, value in found.items()}


def _best(run: Callable[[], object]) -> float:
    """Seconds of the quickest of as many runs as there is time for."""
    best, until = float("inf"), time.perf_counter() + BEST_OF_S
    while time.perf_counter() < until:
        began = time.perf_counter()
        run()
        best = min(best, time.perf_counter() - began)
    return best


def _openvino(precision: str) -> Callable[[], object]:
    import openvino as ov
    from openvino import opset13 as op

    from worker.inference.cpus import usable_cpus

    def quantized(node: Any, *, most: float, levels: int) -> Any:
        return op.fake_quantize(node, *(np.float32(bound) for bound in (-most, most, -most, most)), levels)

    chance = np.random.default_rng(1)
    given = op.parameter([ROWS, INNER], np.float32)
    node: Any = given
    for number in range(PRODUCTS):
        shape = (INNER, OUTER) if number % 2 == 0 else (OUTER, INNER)
        values = (chance.standard_normal(shape) / np.sqrt(shape[0])).astype(np.float32)
        weights: Any = op.constant(values)
        if precision == "int8":  # such that the plugin multiplies in int8: weights within their own range, 255 levels
            node = quantized(node, most=4.0, levels=256)
            weights = quantized(weights, most=float(np.abs(values).max()), levels=255)
        node = op.matmul(node, weights, False, False)
    model = ov.Model([op.reduce_mean(node, np.array([1]), False)], [given])
    hint = "bf16" if precision == "bfloat16" else "f32"
    settings = {"INFERENCE_PRECISION_HINT": hint, "NUM_STREAMS": 1, "INFERENCE_NUM_THREADS": usable_cpus()}
    request = ov.Core().compile_model(model, "CPU", settings).create_infer_request()
    rows = chance.standard_normal((ROWS, INNER)).astype(np.float32)
    return lambda: request.infer([rows])


def _torch(precision: str) -> Callable[[], object]:
    import torch

    kind = getattr(torch, precision)
    up, down = torch.randn(INNER, OUTER).to(kind), torch.randn(OUTER, INNER).to(kind)
    values = torch.randn(ROWS, INNER).to(kind)

    def run() -> None:
        node = values
        for number in range(PRODUCTS):
            node = node @ (up if number % 2 == 0 else down)

    return run


if __name__ == "__main__":
    print(json.dumps(measured()))
