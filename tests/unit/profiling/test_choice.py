"""Which setting is recommended: no difference that noise could have made."""

from __future__ import annotations

from dataclasses import replace

from tests.unit.profiling.engines import measured
from worker.profiling.agreement import Agreement
from worker.profiling.choice import clearly_fastest, fastest_safe
from worker.profiling.settings import Setting

AUTO = Setting("openvino", "cpu", "bfloat16")
ONE = replace(AUTO, workers=1)


def test_auto_stays_where_turns_overlap() -> None:
    """A higher median alone is not enough."""
    automatic = measured(AUTO, 90, 100, 115)

    assert automatic is clearly_fastest([automatic, measured(ONE, 110, 120, 130)])


def test_what_beats_auto_in_every_turn_is_taken() -> None:
    """Its slowest turn is faster than auto's fastest."""
    better = measured(ONE, 116, 120, 130)

    assert better is clearly_fastest([measured(AUTO, 90, 100, 115), better])


def test_an_engine_that_moves_probabilities_is_not_taken() -> None:
    """Whatever its precision is called."""
    odd = replace(measured(AUTO, 300, 300, 300), agreement=Agreement(100, 0.2, 0.9))
    sound = measured(Setting("torch", "cpu", "float32"), 100, 100, 100)

    assert sound is fastest_safe([sound, odd])


def test_between_engines_that_noise_cannot_tell_apart_it_is_openvino() -> None:
    """Not one that is clearly slower, though."""
    torch = measured(Setting("torch", "cpu", "bfloat16"), 90, 120, 130)
    level, slower = measured(AUTO, 80, 100, 110), measured(Setting("openvino", "cpu", "float32"), 60, 70, 80)

    assert level is fastest_safe([torch, slower, level])
    assert torch is fastest_safe([torch, slower])
