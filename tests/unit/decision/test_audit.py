from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.policy import AuditStratum
from worker.decision.audit import audit_probability, sampled

STRATA = (AuditStratum(confidence_below=0.8, rate=0.5), AuditStratum(confidence_below=1.0, rate=0.01))


@given(rate=st.floats(0, 1), offset=st.integers(0, 10**12))
def test_the_audit_sample_is_stable(rate: float, offset: int) -> None:
    """The same record is chosen again when it is redone, and whoever is chosen stays chosen at a higher rate."""
    record_id = f"texts/0/{offset}"

    assert sampled(record_id, rate) == sampled(record_id, rate)
    assert not sampled(record_id, rate) or sampled(record_id, min(1.0, rate * 2))
    assert sampled(record_id, 1.0)
    assert not sampled(record_id, 0.0)


def test_the_audit_sample_has_the_share_asked_for() -> None:
    """One in ten of many records, within five standard deviations."""
    chosen = sum(sampled(f"texts/0/{offset}", 0.1) for offset in range(20_000))

    assert abs(chosen - 2_000) < 5 * (20_000 * 0.1 * 0.9) ** 0.5


@pytest.mark.parametrize(
    ("confidence", "least", "probability"),
    [(0.79, 0.0, 0.5), (0.8, 0.0, 0.01), (1.0, 0.0, 0.01), (1.0, 0.05, 0.05), (0.0, 0.05, 0.5)],
)
def test_doubtful_records_are_copied_more_often(confidence: float, least: float, probability: float) -> None:
    """The stratum of the confidence says how often, but never below the configured rate."""
    assert probability == audit_probability(confidence, least=least, strata=STRATA)


def test_without_strata_the_configured_rate_holds_for_all() -> None:
    """Simple random sampling."""
    assert 0.1 == audit_probability(0.3, least=0.1, strata=())
