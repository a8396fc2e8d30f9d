"""What a record costs beside the model, and what follows for a worker."""

from __future__ import annotations

from itertools import count

import pytest

from worker.profiling.remainder import KAFKA_CLIENT_S, seconds_beside_the_model, worker_rate
from worker.testing import FakeClock, StubClassifier


def test_the_rest_is_timed_by_the_cpu_and_divided_by_the_records() -> None:
    """A clock that gains two seconds in each round over four texts: half a second each."""
    ticks = count(step=2)

    found = seconds_beside_the_model(
        StubClassifier(), ["a", "b", "c", "d"], clock=FakeClock(), thread_time=lambda: float(next(ticks))
    )

    assert 0.5 == found


def test_on_a_cpu_the_rest_takes_its_share() -> None:
    """Two CPUs: 1 ms for the model and 1 ms for the rest of a record make 1 000 records a second."""
    rate = worker_rate(engine_rate=2000.0, remainder_s=1e-3 - KAFKA_CLIENT_S, cpus=2, on_cuda=False)

    assert pytest.approx(1000.0) == rate


def test_beside_a_gpu_the_rest_is_done_meanwhile() -> None:
    """Until it is what takes longest."""
    rest = 1e-3 - KAFKA_CLIENT_S

    assert pytest.approx(800.0) == worker_rate(engine_rate=800.0, remainder_s=rest, cpus=2, on_cuda=True)
    assert pytest.approx(1000.0) == worker_rate(engine_rate=90_000.0, remainder_s=rest, cpus=2, on_cuda=True)
