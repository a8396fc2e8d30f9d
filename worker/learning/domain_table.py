"""Stores beside a model what it was made from: the table of token surprise, and what its training texts were.

The statistics are `worker.learning.surprise`'s. Neither file counts as the model's content, so that its revision, and
every policy that names it, stays what it is.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from worker.inference.checkpoint import read_checkpoint
from worker.learning.datasets import LabelledTexts
from worker.learning.provenance import RECORD_FILE, fingerprint, sketch
from worker.learning.surprise import surprise_table
from worker.records import Encoded


def store_surprise(folder: Path, *, training: Sequence[str], held_back: Sequence[str]) -> None:
    """Write `surprise.npz` into the finished model folder, by the model's own tokenizer."""
    encoder = read_checkpoint(folder).text_encoder()

    def ids(texts: Sequence[str]) -> list[NDArray[np.int32]]:
        return [each.ids for each in encoder.encode(texts) if isinstance(each, Encoded)]

    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    surprise_table(ids(training), ids(held_back), tokenizer).save(folder)


def store_record(folder: Path, *, training: LabelledTexts, held_back: LabelledTexts) -> None:
    """Write the part of `training.json` that tells others which texts not to calibrate or judge on."""
    record = {
        "texts": len(training),
        "data_fingerprint": fingerprint(training.texts, training.labels),
        "validation_fingerprint": fingerprint(held_back.texts, held_back.labels),
        "text_sketch": sketch(training.texts),
    }
    (folder / RECORD_FILE).write_text(json.dumps(record) + "\n")
