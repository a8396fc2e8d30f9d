"""Seeded splits that never put the same text on both sides.

Owns how labelled texts are divided into parts for fitting, tuning and judging; knows nothing of files or models.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence


def split_indices(texts: Sequence[str], *, share: float, seed: int) -> tuple[list[int], list[int]]:
    """Divide positions into (rest, held out), about `share` of the texts held out, each list in input order.

    A text's side depends only on its own characters and the seed: equal texts stay together, and the side of a text
    does not change when others are added or removed. Both sides are nonempty when there are two distinct texts.
    """
    marks = [_mark(text, seed=seed) for text in texts]
    held = [index for index, mark in enumerate(marks) if mark < share]
    if not held or len(held) == len(marks):
        cut = min(marks) if not held else max(marks)
        held = [index for index, mark in enumerate(marks) if (mark <= cut if not held else mark < cut)]
    chosen = set(held)
    return [index for index in range(len(marks)) if index not in chosen], held


def _mark(text: str, *, seed: int) -> float:
    digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8, key=seed.to_bytes(8, "little"))
    return int.from_bytes(digest.digest(), "little") / 2**64
