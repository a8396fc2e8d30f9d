"""Part `batching`: padding of our packing beside Apache Beam's SortAndBatchElements. Counts, no clock.

The lengths are drawn as in Beam's own benchmark of that transform: 10 000 of each kind, 1 to 500, at most 32 elements
and 2 000 of weight in a batch, once as one bundle and once in windows of 512, the worker's wave.
"""

from __future__ import annotations

import json
import math
import random
import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from tests.benchmarks.environments import ENVIRONMENTS
from tests.benchmarks.figures import markdown
from tests.benchmarks.plan import Plan
from tests.benchmarks.texts import distinct
from worker.inference.checkpoint import read_checkpoint
from worker.inference.packing import Indices, PackingLimits, pack, padded_tokens
from worker.inference.rows import pack_rows, row_tokens
from worker.inference.sources import resolve
from worker.records import Encoded

ELEMENTS, SHORTEST, LONGEST, SEED = 10_000, 1, 500, 42
MOST_ELEMENTS, MOST_WEIGHT = 32, 2_000
WAVE = 512
WORKER = PackingLimits(max_batch_tokens=1024, max_batch_size=256)
"""What the engine packs by on a CPU unless told otherwise."""

Packer = Callable[[NDArray[np.int64], PackingLimits], list[Indices]]
OURS: dict[str, tuple[Packer, Callable[[NDArray[np.int64]], int]]] = {
    "rows": (pack_rows, row_tokens),
    "padded": (pack, padded_tokens),
}
"""Texts that share rows, and what is done with a model in which they cannot."""


def drawn(draw: Callable[[random.Random], float]) -> list[int]:
    chance = random.Random(SEED)
    return [min(max(int(draw(chance)), SHORTEST), LONGEST) for _ in range(ELEMENTS)]


def _bimodal(chance: random.Random) -> float:
    mean = 20 if chance.random() < 0.7 else 200
    return chance.gauss(mean, 0.3 * mean)


DISTRIBUTIONS: dict[str, Callable[[random.Random], float]] = {
    "Pareto, alpha 1.2": lambda chance: chance.paretovariate(1.2),
    "lognormal, median 50, sigma 0.8": lambda chance: chance.lognormvariate(math.log(50), 0.8),
    "bimodal, 70 % about 20, 30 % about 200": _bimodal,
    "low variance, 100 with 10 %": lambda chance: chance.gauss(100, 10),
}


def run(plan: Plan, console: Console) -> dict[str, Any]:
    limits = PackingLimits(max_batch_tokens=MOST_WEIGHT, max_batch_size=MOST_ELEMENTS)
    cases = [
        {"lengths": name, "window": window, "windows": _windows(drawn(draw), window)}
        for name, draw in DISTRIBUTIONS.items()
        for window in (ELEMENTS, WAVE)
    ]
    theirs = None if "beam" in plan.missing else by_beam(cases)
    found = []
    for index, case in enumerate(cases):
        beams = None if theirs is None else padding_of(theirs[index])
        ours = {name: ours_of(name, case["windows"], limits) for name in OURS}
        found.append({"lengths": case["lengths"], "window": case["window"], "beam": beams, **ours})
        console.print(f"{case['lengths']}, window {case['window']}: Beam {beams}, emostream {ours}")
    ordinary = {f"windows of {window}": ordinary_text(window) for window in (128, WAVE, 2048)}
    console.print(f"ordinary text: {ordinary}")
    return {"limits": [MOST_ELEMENTS, MOST_WEIGHT], "cases": found, "ordinary": ordinary}


def ours_of(name: str, windows: Sequence[Sequence[int]], limits: PackingLimits) -> dict[str, float]:
    packer, computed = OURS[name]
    each = [np.asarray(window) for window in windows]
    return padding_of([lengths[batch].tolist() for lengths in each for batch in packer(lengths, limits)], computed)


def padding_of(
    batches: Sequence[Sequence[int]], computed: Callable[[NDArray[np.int64]], int] = padded_tokens
) -> dict[str, float]:
    """Computed over real tokens, how many batches, and the most computed tokens of one."""
    padded = [computed(np.asarray(batch)) for batch in batches]
    real = sum(sum(batch) for batch in batches)
    return {"ratio": round(sum(padded) / real, 4), "batches": len(batches), "largest": max(padded)}


def by_beam(cases: Sequence[Mapping[str, Any]]) -> list[list[list[int]]]:
    """Batches of lengths for each case, from Beam in its own environment."""
    program = Path(__file__).with_name("contenders") / "batching_beam.py"
    with tempfile.TemporaryDirectory() as folder:
        wanted, answer = Path(folder) / "wanted.json", Path(folder) / "answer.json"
        limits = {"max_batch_size": MOST_ELEMENTS, "max_batch_weight": MOST_WEIGHT}
        wanted.write_text(json.dumps([{"windows": case["windows"], **limits} for case in cases]))
        subprocess.run([ENVIRONMENTS["beam"].python, program, wanted, answer], check=True, capture_output=True)
        return list(json.loads(answer.read_text()))


def ordinary_text(window: int) -> dict[str, float]:
    """Real texts under the worker's own limits."""
    encoder = read_checkpoint(resolve("builtin:emotion").folder).text_encoder()
    lengths = [item.tokens for item in encoder.encode(distinct(ELEMENTS)) if isinstance(item, Encoded)]
    return ours_of("rows", _windows(lengths, window), WORKER)


def _windows(lengths: Sequence[int], size: int) -> list[list[int]]:
    return [list(lengths[start : start + size]) for start in range(0, len(lengths), size)]


def tables(measured: Mapping[str, Any]) -> dict[str, str]:
    """`batching`: against Beam; `padding`: ordinary text."""
    rows = []
    for case in measured["cases"]:
        window = "all 10 000" if case["window"] == ELEMENTS else str(case["window"])
        all_three = [case["beam"], case["rows"], case["padded"]]
        shown = ["not measured" if each is None else f"{each['ratio']:.3f}" for each in all_three]
        counts = ["" if each is None else f"{each['batches']} ({each['largest']})" for each in all_three]
        rows.append((case["lengths"], window, *shown, *counts))
    columns = (
        *("lengths", "window", "Beam", "emostream", "padded only"),
        *("batches (largest) of Beam", "of emostream", "padded only"),
    )
    ordinary = [
        (name, f"{each['ratio']:.3f}", str(each["batches"]), str(each["largest"]))
        for name, each in measured["ordinary"].items()
    ]
    return {
        "batching": markdown(columns, rows),
        "padding": markdown(("ordinary text", "padding", "forward passes", "largest, tokens"), ordinary),
    }
