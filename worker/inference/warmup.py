"""Warm-up: the first passes, and which padded-token budget suits this model on this machine.

Rates are compared within one process over a fraction of a second, so the answer is coarse on purpose: the smallest
budget that is nearly as fast as the best one, because a smaller one means shorter waits and less memory.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from worker.clock import Clock

CPU_BUDGETS = (512, 1024, 2048)
CUDA_BUDGETS = (4096, 8192, 16384, 32768)
# On a CPU the rate is flat from 512 tokens on (2 layers of 128: 9 379, 10 380, 10 253 texts/s at 512, 1 024, 2 048).
NEARLY_AS_FAST = 0.9
MAX_PROBE_S = 0.5


def probe_budget(
    run_pass: Callable[[int], None], budgets: Sequence[int], *, clock: Clock, max_probe_s: float = MAX_PROBE_S
) -> int:
    """The smallest of `budgets` (ascending) whose rate in tokens per second is nearly the best.

    `run_pass(tokens)` runs one forward pass of about so many tokens; each budget is run once unmeasured, then measured.
    Stops trying larger ones after `max_probe_s`.
    """
    started = clock.monotonic()
    rates: dict[int, float] = {}
    for budget in budgets:
        run_pass(budget)
        began = clock.monotonic()
        run_pass(budget)
        now = clock.monotonic()
        rates[budget] = budget / (now - began) if now > began else math.inf
        if now - started > max_probe_s:
            break
    best = max(rates.values())
    return next(budget for budget, rate in rates.items() if rate >= NEARLY_AS_FAST * best)
