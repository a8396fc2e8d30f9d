"""What a consumer group can do: partitions over workers, and what comes of their not dividing evenly. Pure."""

from __future__ import annotations

import math

EVEN = (1, 2, 3, 4, 6, 8, 12, 18, 24, 36, 48, 60, 72, 96, 120, 180, 240, 360, 480, 720, 960)
"""Numbers of partitions that many numbers of workers divide."""


def most_loaded(workers: int, partitions: int) -> int:
    """How many partitions the busiest of `workers` reads."""
    return math.ceil(partitions / workers)


def useful_rate(rate: float, *, workers: int, partitions: int) -> float:
    """Records a second of the whole group at which its busiest worker reaches `rate`, with equal partitions.

    Ten workers on twelve partitions do no more than six: two of them have two partitions each.
    """
    if workers <= 0:
        return 0.0
    return rate * partitions / most_loaded(min(workers, partitions), partitions)


def workers_for(load: float, *, rate: float, partitions: int) -> int | None:
    """The fewest workers whose group does `load` records a second; None when no number of them does."""
    for workers in range(1, partitions + 1):
        if useful_rate(rate, workers=workers, partitions=partitions) >= load:
            return workers
    return None
