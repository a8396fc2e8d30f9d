"""The profile as a whole, over engines whose speed is known."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.unit.profiling.engines import TimedEngine
from worker.errors import ModelError
from worker.profiling.profile import Profile, Profiler
from worker.profiling.settings import Setting
from worker.testing import FakeClock

TEXTS = [f"text {number}" for number in range(40)]
RATES = {"float32": 1000.0, "bfloat16": 2000.0, "int8": 4000.0}
MOVES = {"float32": 0.0, "bfloat16": 0.01, "int8": 0.2}


class Machine:
    """Opens engines on a machine with these backends; remembers them."""

    def __init__(self, *there: str, rate_of: Callable[[Setting], float] | None = None) -> None:
        self.clock = FakeClock()
        self.opened: list[TimedEngine] = []
        self.told: list[tuple[str, float]] = []
        self._there = there
        self._rate_of = rate_of or (lambda setting: RATES[setting.precision])

    def open(self, setting: Setting) -> TimedEngine:
        if f"{setting.backend} {setting.precision}" not in self._there or setting.on_cuda:
            raise ModelError(f"/models/own/model.xml: no {setting.engine} here")
        engine = TimedEngine(
            self.clock,
            rate=self._rate_of(setting),
            moved=MOVES[setting.precision],
            budget=setting.max_batch_tokens or 2048,
        )
        self.opened.append(engine)
        return engine

    def profile(self) -> Profile:
        return Profiler(
            self.open,
            TEXTS,
            seconds=6.0,
            cpus=4,
            clock=self.clock,
            progress=lambda doing, share: self.told.append((doing, share)),
        ).run()


def test_all_that_is_there_is_measured() -> None:
    """Rates, padding and tokens of each; the others by name, with the reason and without the file's path."""
    profile = Machine("openvino float32", "openvino bfloat16").profile()

    assert [("openvino float32", 1000), ("openvino bfloat16", 2000)] == [
        (each.setting.engine, round(each.rate)) for each in profile.engines
    ]
    assert (1.1, 10.0) == (pytest.approx(profile.engines[0].padding_ratio), profile.engines[0].tokens_per_text)
    assert "no torch float32 here" == profile.skipped[0].reason
    assert 6 == len(profile.skipped)


def test_the_others_are_compared_with_float32() -> None:
    """torch's, where it is there: the reference has no agreement with itself."""
    profile = Machine("openvino float32", "torch float32", "openvino bfloat16").profile()

    assert "torch float32" == (profile.reference and profile.reference.engine)
    assert [None, 0.0, 0.01] == [
        each.agreement and pytest.approx(each.agreement.largest_difference, abs=1e-6) for each in profile.engines
    ]


def test_int8_is_measured_but_not_recommended() -> None:
    """It moves probabilities: somebody has to want that."""
    profile = Machine("openvino int8", "torch float32").profile()

    assert "torch float32" == profile.recommended.setting.engine


def test_a_model_that_is_only_quantized_runs_as_it_is() -> None:
    """With nothing to compare it with."""
    profile = Machine("openvino int8").profile()

    assert ("openvino int8", None) == (profile.recommended.setting.engine, profile.reference)


def test_other_numbers_of_workers_and_budgets_are_tried() -> None:
    """One worker and one for each CPU; budgets with the better of them."""
    profile = Machine("openvino float32").profile()

    assert [None, 1, 4] == [each.setting.workers for each in profile.workers]
    assert [None, 512, 1024, 2048] == [each.setting.max_batch_tokens for each in profile.budgets]


def test_what_is_clearly_faster_than_auto_is_recommended() -> None:
    """Four workers, and with them a budget of 512."""

    def rate_of(setting: Setting) -> float:
        return 1000.0 * (1 + (setting.workers == 4) + (setting.max_batch_tokens == 512))

    profile = Machine("openvino float32", rate_of=rate_of).profile()

    assert Setting("openvino", "cpu", "float32", workers=4, max_batch_tokens=512) == profile.recommended.setting


def test_every_engine_is_closed() -> None:
    """At no time are more open than are compared."""
    machine = Machine("openvino float32", "openvino bfloat16")

    machine.profile()

    assert all(engine.closed for engine in machine.opened)


def test_the_progress_grows_to_the_end() -> None:
    """A bar never goes back."""
    machine = Machine("openvino float32", "openvino bfloat16")

    machine.profile()

    shares = [share for _, share in machine.told]
    assert (0.0, 1.0) == (shares[0], shares[-1])
    assert sorted(shares) == shares


def test_a_model_that_nothing_runs_is_refused() -> None:
    """With the first reason."""
    with pytest.raises(ModelError, match="no torch float32 here"):
        Machine().profile()
