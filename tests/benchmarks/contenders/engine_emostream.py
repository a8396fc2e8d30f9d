"""emostream's own engine over waves of 512 texts, as the worker uses it, but encoding and computing in turns.

Run as a module of this project: `python -m tests.benchmarks.contenders.engine_emostream MODEL BACKEND PRECISION`.
"""

from __future__ import annotations

import sys
import time
from typing import Any

from tests.benchmarks.contenders.turns import take_turns
from worker.inference.engine import EngineOptions
from worker.inference.loading import load_engine
from worker.records import Encoded

WAVE = 512


def main(model: str, backend: str, precision: str) -> None:
    engine = load_engine(model, backend=backend, device="cpu", precision=precision, options=EngineOptions(cache_size=0))

    def work(texts: list[str]) -> dict[str, Any]:
        real = padded = passes = 0
        lengths: list[int] = []
        encode_cpu_s = 0.0
        for start in range(0, len(texts), WAVE):
            began = time.process_time()
            found = engine.encode(texts[start : start + WAVE])
            encode_cpu_s += time.process_time() - began
            encoded = [item for item in found if isinstance(item, Encoded)]
            stats = engine.predict(encoded).stats
            lengths += [item.tokens for item in encoded]
            real, padded = real + stats.real_tokens, padded + stats.padded_tokens
            passes += stats.forward_passes
        return {
            "real_tokens": real,
            "padded_tokens": padded,
            "passes": passes,
            "lengths": lengths,
            "encode_cpu_s": encode_cpu_s,
        }

    take_turns(work, backend=engine.info.backend, precision=engine.info.precision)


if __name__ == "__main__":
    main(*sys.argv[1:])
