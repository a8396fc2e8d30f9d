"""`python -m tests.benchmarks.staged_worker CONFIG`: a worker that does one thing after the other; what each costs.

The real worker with lanes that have no thread, so that the processor time of the whole process between the beginning
and the end of a call is the call's own, whichever threads it keeps busy. Prints CPU seconds by stage as JSON.
"""

from __future__ import annotations

import json
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from worker import wiring
from worker.config import load
from worker.inference.engine import Engine
from worker.inference.tokenization import TextEncoder
from worker.kafka.clients import adapters
from worker.kafka.publisher import GuardedPublisher
from worker.pipeline import Pipeline
from worker.pump import Pump
from worker.stopping import Stop
from worker.testing import InlineLane

POLL, INTAKE, TOKENIZE, MODEL, DECIDE, PUBLISH, REST = (
    "poll: fetch and decode",
    "intake: find the text",
    "tokenize",
    "model",
    "decide and render",
    "publish: encode, compress, send, commit",
    "waves, acknowledging, metrics, waiting",
)


class Costs:
    """CPU seconds by stage; a stage within another is taken off the outer one."""

    def __init__(self) -> None:
        self.seconds: Counter[str] = Counter()
        self._within = [0.0]

    def watch(self, owner: Any, method: str, stage: str) -> None:
        real: Callable[..., Any] = getattr(owner, method)

        def call(*arguments: Any, **options: Any) -> Any:
            began = time.process_time()
            self._within.append(0.0)
            try:
                return real(*arguments, **options)
            finally:
                whole = time.process_time() - began
                self.seconds[stage] += whole - self._within.pop()
                self._within[-1] += whole

        setattr(owner, method, call)


def main() -> None:
    settings = load(Path(sys.argv[1]))
    costs = Costs()
    if settings.kafka.client == "confluent-kafka":
        from worker.kafka.confluent.publisher import ConfluentTransactionalPublisher as Publisher
    else:
        Publisher = GuardedPublisher  # type: ignore[assignment,misc]
    for owner, method, stage in (
        (adapters(settings.kafka.client).source, "poll", POLL),
        (Pipeline, "gather", INTAKE),
        (TextEncoder, "encode", TOKENIZE),
        (Engine, "predict", MODEL),
        (Pipeline, "decide", DECIDE),
        (Publisher, "publish", PUBLISH),
        (Pump, "turn", REST),
    ):
        costs.watch(owner, method, stage)
    wiring.Lane = lambda name, work, _clock: InlineLane(name, work)  # type: ignore[assignment,misc]
    wiring.run(settings, stop=Stop(), until_caught_up=True)
    print(json.dumps(costs.seconds))


if __name__ == "__main__":
    main()
