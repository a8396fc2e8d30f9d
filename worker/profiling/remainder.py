"""What a record costs beside the model, and so what a worker could do here.

The worker's own pipeline is run over the texts with a classifier that answers from memory; what Kafka costs cannot be
measured without a broker, and is a constant.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from statistics import median
from typing import Final

import orjson

from worker.clock import Clock
from worker.decision.policy import rule_for
from worker.errors import RecordError
from worker.file_classification import FileClassifier
from worker.files import InputRow
from worker.intake import Intake
from worker.ports import Classifier, InferenceStats, Inferred
from worker.records import Encoded, ModelInfo

KAFKA_CLIENT_S: Final = 52e-6
"""CPU seconds of a record in kafka-python, the default client, read and written in transactions of a wave: `poll` and
`publish` in docs/benchmarks.md. It is 12e-6 in confluent-kafka."""
ROUNDS: Final = 3
MAX_VALUE_BYTES: Final = 262_144


class _FromMemory:
    """Answers one wave again and again, at no cost."""

    def __init__(self, classifier: Classifier, wave: Sequence[str]) -> None:
        self.info: ModelInfo = classifier.info
        self._encoded = classifier.encode(wave)
        usable = [each for each in self._encoded if not isinstance(each, RecordError)]
        self._results = classifier.predict(usable).results

    def encode(self, texts: Sequence[str]) -> list[Encoded | RecordError]:  # noqa: ARG002 (the port's signature)
        return list(self._encoded)

    def predict(self, encoded: Sequence[Encoded]) -> Inferred:
        return Inferred(self._results, InferenceStats(texts=len(encoded)))

    def close(self) -> None:
        """Nothing to free."""


def seconds_beside_the_model(
    classifier: Classifier, wave: Sequence[str], *, clock: Clock, thread_time: Callable[[], float] = time.thread_time
) -> float:
    """CPU seconds of a record in intake, decision and rendering; the median of a few rounds after an unmeasured one."""
    pipeline = FileClassifier(
        name="bench",
        intake=Intake(format="json", pointer="/text", max_value_bytes=MAX_VALUE_BYTES),
        classifier=_FromMemory(classifier, wave),
        rule=rule_for(classifier.info, None, min_confidence=0.5),
        policy=None,
        clock=clock,
    )
    rows = [InputRow(number, orjson.dumps({"text": text})) for number, text in enumerate(wave, start=1)]
    seconds = []
    for _ in range(1 + ROUNDS):
        started = thread_time()
        for _classified in pipeline.run(rows, wave_rows=len(rows)):
            pass
        seconds.append(thread_time() - started)
    return median(seconds[1:]) / len(rows)


def worker_rate(*, engine_rate: float, remainder_s: float, cpus: int, on_cuda: bool) -> float:
    """Records per second that a worker could do with an engine of `engine_rate` texts per second.

    On a CPU the rest of the work takes its share of the same CPUs, on a GPU it is done meanwhile; either way it is
    Python's, so one CPU is all that it gets.
    """
    rest_s = remainder_s + KAFKA_CLIENT_S
    together = engine_rate if on_cuda else cpus / (cpus / engine_rate + rest_s)
    return min(together, 1 / rest_s)
