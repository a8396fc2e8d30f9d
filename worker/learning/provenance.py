"""What a model was trained on, as far as a fingerprint can tell: so that nobody calibrates on the training texts.

Owns the fingerprint of labelled texts and the sketch of training texts in a model's `training.json`. A sketch is the
smallest hashes of the texts (bottom-k, Broder 1997): enough to estimate how many texts of another set are among them,
however they are ordered, cut or labelled.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

RECORD_FILE = "training.json"
SKETCH_SIZE = 1024


@dataclass(frozen=True)
class TrainingRecord:
    """What `training.json` says of the texts a model was made from. `sketch`: smallest hashes, ascending."""

    fingerprints: frozenset[str]
    sketch: tuple[int, ...]

    def overlap(self, texts: Iterable[str]) -> float | None:
        """Estimated share of `texts` that were learned from; None when too few of them can be judged."""
        hashes = {_hash(text) for text in texts if text}
        if len(self.sketch) == SKETCH_SIZE:
            hashes = {each for each in hashes if each <= self.sketch[-1]}
        return len(hashes & set(self.sketch)) / len(hashes) if hashes and self.sketch else None


def fingerprint(texts: Sequence[str], labels: Sequence[Sequence[str]]) -> str:
    """`sha256:…` of the texts and their labels, in order."""
    digest = hashlib.sha256()
    for text, names in zip(texts, labels, strict=True):
        digest.update(json.dumps([text, *names]).encode() + b"\n")
    return f"sha256:{digest.hexdigest()}"


def sketch(texts: Iterable[str]) -> list[int]:
    """The smallest hashes of the texts, ascending."""
    return sorted({_hash(text) for text in texts})[:SKETCH_SIZE]


def read_record(folder: Path) -> TrainingRecord | None:
    """What the model's folder says of its training; None when it says nothing."""
    try:
        record = json.loads((folder / RECORD_FILE).read_text(encoding="utf-8"))
        named = [record.get(key) for key in ("data_fingerprint", "validation_fingerprint")]
        return TrainingRecord(frozenset(filter(None, named)), tuple(record.get("text_sketch", ())))
    except (OSError, ValueError, AttributeError):
        return None


def _hash(text: str) -> int:
    digest = hashlib.blake2b(" ".join(text.lower().split()).encode("utf-8", "surrogatepass"), digest_size=6)
    return int.from_bytes(digest.digest(), "big")
