"""A measurement with a turn that something disturbed."""

from __future__ import annotations

import pytest

from tests.unit.profiling.engines import measured
from worker.profiling.settings import Setting
from worker.profiling.turns import Measurement


@pytest.fixture
def timed() -> Measurement:
    return measured(Setting("openvino", "cpu", "float32"), 100, 10, 110)
