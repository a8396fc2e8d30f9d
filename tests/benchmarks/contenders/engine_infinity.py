"""infinity's AsyncEngine on torch, batches of 32: all texts in one call, as its own clients do."""

from __future__ import annotations

import asyncio
import sys

from infinity_emb import AsyncEngineArray, EngineArgs
from turns import take_turns


def main(checkpoint: str) -> None:
    wanted = EngineArgs(
        model_name_or_path=checkpoint,
        engine="torch",
        device="cpu",
        batch_size=32,
        dtype="float32",
        model_warmup=False,  # half a minute of embeddings; the call below will do
    )
    engine = AsyncEngineArray.from_args([wanted])[0]
    loop = asyncio.new_event_loop()
    loop.run_until_complete(engine.astart())
    loop.run_until_complete(engine.classify(sentences=["a few words before it counts"] * 32, raw_scores=False))

    def work(texts: list[str]) -> None:
        loop.run_until_complete(engine.classify(sentences=texts, raw_scores=False))

    take_turns(work)


if __name__ == "__main__":
    main(*sys.argv[1:])
