"""Audit sampling: which accepted records are also shown to a person, and with which probability."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b

from schemas.policy import AuditStratum


def audit_probability(confidence: float, *, least: float, strata: Sequence[AuditStratum]) -> float:
    """The probability with which an accepted record of this confidence is copied: its stratum's rate, or `least`."""
    rate = next((stratum.rate for stratum in strata if confidence < stratum.confidence_below), None)
    if rate is None:
        rate = strata[-1].rate if strata else 0.0
    return max(least, rate)


def sampled(record_id: str, rate: float) -> bool:
    """Whether the record belongs to the audit sample of share `rate` (0 to 1).

    A hash of its identity decides, so that a redone or replayed wave chooses the same records, and a record that is
    chosen at one rate is chosen at every higher one.
    """
    if rate <= 0.0:
        return False
    draw = int.from_bytes(blake2b(record_id.encode(), digest_size=8).digest(), "big")
    return draw < rate * 2**64
