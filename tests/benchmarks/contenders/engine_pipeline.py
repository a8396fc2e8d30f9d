"""Hugging Face `pipeline` over all texts, with a batch size."""

from __future__ import annotations

import sys

from classifying import classifier
from turns import take_turns

WARM_UP = ["a few words before it counts"] * 32


def main(checkpoint: str, batch_size: str) -> None:
    classify = classifier(checkpoint, batch_size=int(batch_size))
    classify(WARM_UP)

    def work(texts: list[str]) -> None:
        classify(texts)

    take_turns(work)


if __name__ == "__main__":
    main(*sys.argv[1:])
