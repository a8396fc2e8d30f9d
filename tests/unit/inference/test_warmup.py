from __future__ import annotations

from collections.abc import Mapping

import pytest

from worker.inference.warmup import probe_budget
from worker.testing import FakeClock


def probe(pass_seconds: Mapping[int, float], *, max_probe_s: float = 10.0) -> tuple[int, list[int]]:
    """The budget found where a pass of so many tokens takes so long, and the passes that were run for it."""
    clock = FakeClock()
    passes: list[int] = []

    def run_pass(tokens: int) -> None:
        passes.append(tokens)
        clock.advance(pass_seconds[tokens])

    return probe_budget(run_pass, sorted(pass_seconds), clock=clock, max_probe_s=max_probe_s), passes


@pytest.mark.parametrize(
    ("pass_seconds", "budget"),
    [
        ({512: 0.1, 1024: 0.2, 2048: 0.4}, 512),
        ({512: 0.1, 1024: 0.15, 2048: 0.29}, 1024),
        ({512: 0.1, 1024: 0.19, 2048: 0.3}, 2048),
        ({512: 0.1, 1024: 0.3, 2048: 0.9}, 512),
    ],
)
def test_smallest_of_nearly_the_best(pass_seconds: dict[int, float], budget: int) -> None:
    """A larger budget is taken only if it is clearly faster for each token."""
    assert budget == probe(pass_seconds)[0]


def test_slow_models_are_not_probed_for_long() -> None:
    """Once the time is up no larger budget is tried."""
    budget, passes = probe({512: 0.4, 1024: 0.8, 2048: 1.6}, max_probe_s=0.5)

    assert (512, [512, 512]) == (budget, passes)


def test_the_fastest_run_counts() -> None:
    """A neighbour that takes the processor for a moment does not decide."""
    clock = FakeClock()
    disturbed = iter([0.0, 0.0, 0.0, 0.0, 0.0, 0.1, 0.0, 0.0])

    def run_pass(tokens: int) -> None:
        clock.advance(tokens / (100_000 if tokens == 512 else 200_000) + next(disturbed))

    assert probe_budget(run_pass, [512, 1024], clock=clock) == 1024


def test_a_pass_that_takes_no_time() -> None:
    """A clock that is too coarse for the model does not divide by zero."""
    assert 512 <= probe({512: 0.0, 1024: 0.0})[0]
