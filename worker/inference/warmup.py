"""Warm-up: the first passes, and which padded-token budget suits this model on this machine.

Rates are compared within one process over a fraction of a second, so the answer is coarse on purpose: the smallest
budget that is nearly as fast as the best one, because a smaller one means shorter waits and less memory.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from worker.clock import Clock

CPU_BUDGETS = (1024, 2048)
CUDA_BUDGETS = (4096, 8192, 16384, 32768)
NEARLY_AS_FAST = 0.96
# Packing a pass, handing it over and taking its rows apart, on a CPU: nothing to a large model, but a small one of 2
# layers of 128 gains 9 % end to end from 1 024 tokens to 2 048.
AROUND_A_PASS_S = 0.0005
RUNS = 3
MAX_PROBE_S = 0.5


def probe_budget(
    run_pass: Callable[[int], None], budgets: Sequence[int], *, clock: Clock, max_probe_s: float = MAX_PROBE_S
) -> int:
    """The smallest of `budgets` (ascending) whose rate in tokens per second is nearly the best.

    `run_pass(tokens)` runs one forward pass of about so many tokens; each budget is run once unmeasured, then up to
    three times, of which the fastest counts. Stops after `max_probe_s`, where large models have had one run.
    """
    started = clock.monotonic()
    rates: dict[int, float] = {}
    for budget in budgets:
        run_pass(budget)
        rates[budget] = 0.0
        for _ in range(RUNS):
            began = clock.monotonic()
            run_pass(budget)
            now = clock.monotonic()
            rates[budget] = max(rates[budget], budget / (now - began + AROUND_A_PASS_S))
            if now - started > max_probe_s:
                break
        if now - started > max_probe_s:
            break
    best = max(rates.values())
    return next(budget for budget, rate in rates.items() if rate >= NEARLY_AS_FAST * best)
