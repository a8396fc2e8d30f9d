"""Which faults happen when: drawn from a seed, so that a run can be repeated. Pure."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """What is done to the workers, the brokers or the network between them."""

    WORKER_KILL = "worker kill -9"
    WORKER_TERM = "worker SIGTERM"
    WORKER_ZOMBIE = "worker SIGSTOP 14 s, SIGCONT"
    WORKERS_JOIN_AND_LEAVE = "workers 2 to 6 to 2"
    BROKER_KILL = "broker kill -9, restart"
    BROKER_OUTAGE = "all brokers away for 30 s"
    BROKER_PAUSE = "broker SIGSTOP"
    BROKER_STOP = "broker leaves, leaders move, returns"
    COORDINATOR_KILL = "coordinator kill -9, restart"
    NETWORK_STALL = "network stall 10 s, then reset"
    NETWORK_HALF_OPEN = "network half-open"
    NETWORK_CUT = "all connections reset"
    NETWORK_REFUSE = "network refuses connections"
    NETWORK_DELAY = "network delay 0.2 s"


@dataclass(frozen=True)
class Fault:
    """`lasts_s`: from its beginning to its end; `pick` chooses whom it hits, as a share of those there are."""

    kind: Kind
    lasts_s: float
    pick: float


DURATIONS: Mapping[Kind, tuple[float, float]] = {
    Kind.WORKER_KILL: (0.5, 3),
    Kind.WORKER_TERM: (0.5, 3),
    Kind.WORKER_ZOMBIE: (13, 16),
    Kind.WORKERS_JOIN_AND_LEAVE: (12, 20),
    Kind.BROKER_KILL: (1, 8),
    Kind.BROKER_OUTAGE: (30, 30),
    Kind.BROKER_PAUSE: (5, 15),
    Kind.BROKER_STOP: (2, 6),
    Kind.COORDINATOR_KILL: (2, 8),
    Kind.NETWORK_STALL: (10, 10),
    Kind.NETWORK_HALF_OPEN: (5, 12),
    Kind.NETWORK_CUT: (0.1, 0.1),
    Kind.NETWORK_REFUSE: (3, 10),
    Kind.NETWORK_DELAY: (5, 12),
}

SEVERAL_NODES_ONLY = (Kind.COORDINATOR_KILL, Kind.BROKER_STOP)


def plan(seed: int, *, nodes: int, kinds: Sequence[Kind] = tuple(Kind)) -> Iterator[Fault]:
    """Endless: every kind once in a shuffled order, then again in another."""
    rng = random.Random(seed)
    possible = [kind for kind in kinds if nodes > 1 or kind not in SEVERAL_NODES_ONLY]
    while True:
        for kind in rng.sample(possible, len(possible)):
            low, high = DURATIONS[kind]
            yield Fault(kind, round(rng.uniform(low, high), 1), rng.random())
