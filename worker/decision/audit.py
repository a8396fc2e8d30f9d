"""Audit sampling: which accepted records are also shown to a person."""

from __future__ import annotations

from hashlib import blake2b


def sampled(record_id: str, rate: float) -> bool:
    """Whether the record belongs to the audit sample of share `rate` (0 to 1).

    A hash of its identity decides, so that a redone or replayed wave chooses the same records.
    """
    if rate <= 0.0:
        return False
    draw = int.from_bytes(blake2b(record_id.encode(), digest_size=8).digest(), "big")
    return draw < rate * 2**64
