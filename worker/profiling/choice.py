"""Which of the measured settings to use. Pure; what noise cannot tell apart is not told apart."""

from __future__ import annotations

from collections.abc import Sequence

from worker.profiling.turns import Measurement


def fastest_safe(engines: Sequence[Measurement]) -> Measurement:
    """The fastest that leaves probabilities where they are; never int8, unless there is nothing else.

    Of several that noise cannot tell apart, one of OpenVINO's: it starts faster and needs less installed.
    """
    candidates = [each for each in engines if is_safe(each)] or engines
    fastest = max(candidates, key=lambda each: each.rate)
    level = [each for each in candidates if each.fastest >= fastest.slowest]
    return max(level, key=lambda each: (each.setting.backend == "openvino", each.rate))


def is_safe(measured: Measurement) -> bool:
    """Whether thresholds hold that were chosen with the reference."""
    return measured.setting.precision != "int8" and (measured.agreement is None or measured.agreement.close)


def clearly_fastest(sweep: Sequence[Measurement]) -> Measurement:
    """The fastest, if its slowest turn beats the fastest turn of the first one, which is `auto`; else that one."""
    automatic = sweep[0]
    best = max(sweep, key=lambda each: each.rate)
    return best if best.slowest > automatic.fastest else automatic
