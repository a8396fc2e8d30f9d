"""`python -m tests.chaos.memory --seconds 120`: resident memory of a worker while something beside it is slow or gone.

A backlog that is much larger than any buffer waits in the input topic all the while.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.chaos.fleet import Fleet
from tests.chaos.proxy import Mode
from tests.chaos.site import Site, new_run, site
from tests.chaos.traffic import outcomes
from tests.kafka_io import ToSend, produce

TEXT_BYTES = 2_000
STEPS = 24


@contextmanager
def well(_: Site) -> Iterator[None]:
    """Nothing is done to the brokers."""
    yield


@contextmanager
def slow_broker(place: Site) -> Iterator[None]:
    """Every chunk takes 0.3 s more, each way."""
    _behave(place, Mode.DELAY)
    yield
    _behave(place, Mode.PASS)


@contextmanager
def no_broker(place: Site) -> Iterator[None]:
    """Killed after the worker has begun."""
    place.broker.kill()
    yield
    place.broker.restart()


SITUATIONS: dict[str, tuple[Callable[[Site], object], tuple[str, ...]]] = {
    "all well": (well, ("-m", "worker", "run")),
    "slow broker": (slow_broker, ("-m", "worker", "run")),
    "slow model": (well, ("-m", "tests.chaos.odd_worker", "--forward-s", "5")),
    "broker gone": (no_broker, ("-m", "worker", "run")),
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.memory", description=__doc__)
    parser.add_argument("--seconds", type=float, default=120, help="of each situation")
    parser.add_argument("--records", type=int, default=100_000, help="in the backlog, 2 kB each")
    parser.add_argument("--only", choices=[*SITUATIONS], action="append", help="may be repeated; else all of them")
    arguments = parser.parse_args()
    with site(nodes=1) as first:
        for name in arguments.only or SITUATIONS:
            situation, program = SITUATIONS[name]
            place = new_run(first.broker, first.proxy)
            curve = _curve(place, situation, program, arguments.seconds, arguments.records)
            done = len(outcomes(place.direct, place.outgoing))
            print(f"{name:12} MB: {' '.join(f'{each:.0f}' for each in curve)}  ({done} outcomes)", flush=True)
    return 0


def _curve(
    place: Site, situation: Callable[[Site], object], program: tuple[str, ...], seconds: float, records: int
) -> list[float]:
    """Megabytes, STEPS times over so many seconds."""
    value = json.dumps({"text": "i feel fine and so on " * (TEXT_BYTES // 22)}).encode()
    produce(place.direct, place.input, (ToSend(value, partition=number % 6) for number in range(records)))
    folder = Path(tempfile.mkdtemp(prefix="emostream-memory-"))
    config = place.config(delivery="exactly-once", assignor="cooperative-sticky", batch={"max_messages": 512})
    curve = []
    with Fleet(folder, config, program=program) as fleet:
        worker = fleet.start()
        worker.wait_for("wave.published", times=2)
        with situation(place):  # type: ignore[attr-defined]
            for _ in range(STEPS):
                time.sleep(seconds / STEPS)
                curve += [each / 1e6 for each in fleet.rss_bytes()]
    return curve


def _behave(place: Site, mode: Mode) -> None:
    for route in place.routes:
        route.behave(mode, delay_s=0.3)


if __name__ == "__main__":
    sys.exit(main())
