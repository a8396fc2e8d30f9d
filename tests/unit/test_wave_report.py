from __future__ import annotations

import pytest

from tests.unit.observability.reports import report
from worker.ports import InferenceStats


def test_the_padding_ratio_is_padded_over_real_tokens() -> None:
    """1.1: a tenth of the work was padding."""
    assert report().padding_ratio == pytest.approx(1.1)


def test_without_forward_passes_there_is_no_padding_ratio() -> None:
    """Not zero, not one: there is none."""
    assert report(stats=InferenceStats()).padding_ratio is None
