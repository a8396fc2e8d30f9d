"""A day of texts as people write them: a daily tide, noise, and bursts that come at once and fade. Seeded."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

DAY_S = 86_400
TROUGH_HOUR = 4.5
BURST_FADE_S = (240.0, 1200.0)


def bursty_day(*, peak: float, usual: float, seed: int, step_s: float = 5.0, bursts: int = 8) -> NDArray[np.float64]:
    """Records a second in each step of a day: float64 [DAY_S / step_s], at most `peak`, its median near `usual`.

    The tide moves between a fifth and 1.6 times the usual; bursts double to quadruple it within a minute; the highest
    of them is the peak.
    """
    random = np.random.default_rng(seed)
    at = np.arange(0, DAY_S, step_s)
    tide = 0.9 - 0.7 * np.cos(2 * np.pi * (at / 3600.0 - TROUGH_HOUR) / 24.0)
    noise = np.repeat(random.lognormal(0.0, 0.12, size=DAY_S // 60 + 1), round(60 / step_s))[: len(at)]
    extra = np.zeros(len(at))
    for begin in np.sort(random.uniform(6 * 3600, 23 * 3600, size=bursts)):
        since = at - begin
        fade = random.uniform(*BURST_FADE_S)
        shape = np.where(since < 0, 0.0, np.minimum(since / 60.0, 1.0) * np.exp(-np.maximum(since - 60.0, 0.0) / fade))
        extra = np.maximum(extra, random.uniform(0.4, 1.0) * shape)
    rates = usual * tide * noise
    highest = extra.max() or 1.0
    return np.asarray(np.minimum(rates + (peak - usual) * extra / highest, peak))
