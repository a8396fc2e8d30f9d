"""Arroyo: BatchStep of 32, the pipeline over the batch, UnbatchStep, Produce, commit. At least once."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Mapping
from typing import Any

from arroyo import Partition, Topic
from arroyo.backends.kafka import KafkaConsumer, KafkaPayload, KafkaProducer
from arroyo.backends.kafka.configuration import build_kafka_configuration, build_kafka_consumer_configuration
from arroyo.commit import CommitPolicy
from arroyo.processing import StreamProcessor
from arroyo.processing.strategies import (
    BatchStep,
    CommitOffsets,
    ProcessingStrategy,
    ProcessingStrategyFactory,
    Produce,
    RunTask,
    UnbatchStep,
)
from classifying import classifier, encoded

BATCH = 32
BATCH_S = 0.05


class Factory(ProcessingStrategyFactory[KafkaPayload]):
    """The steps from a record to its commit."""

    def __init__(self, producer: KafkaProducer, target: str, checkpoint: str) -> None:
        self._producer = producer
        self._target = target
        self._classify = classifier(checkpoint, batch_size=BATCH)

    def create_with_partitions(
        self, commit: Any, partitions: Mapping[Partition, int]
    ) -> ProcessingStrategy[KafkaPayload]:
        produced = Produce(self._producer, Topic(self._target), CommitOffsets(commit))
        return BatchStep(BATCH, BATCH_S, RunTask(self._enriched, UnbatchStep(produced)))

    def _enriched(self, message: Any) -> Any:
        values = message.payload
        payloads = [json.loads(value.payload.value) for value in values]
        scores = self._classify([payload["text"] for payload in payloads])
        return [
            value.replace(KafkaPayload(None, encoded(payload, each), []))
            for value, payload, each in zip(values, payloads, scores, strict=True)
        ]


def main(bootstrap_servers: str, group_id: str, source: str, target: str, checkpoint: str) -> None:
    consumer = KafkaConsumer(
        build_kafka_consumer_configuration(
            {}, bootstrap_servers=[bootstrap_servers], group_id=group_id, auto_offset_reset="earliest"
        )
    )
    producer = KafkaProducer(build_kafka_configuration({}, bootstrap_servers=[bootstrap_servers]))
    factory = Factory(producer, target, checkpoint)
    processor = StreamProcessor(consumer, Topic(source), factory, CommitPolicy(1.0, 1000))
    signal.signal(signal.SIGTERM, lambda *_: processor.signal_shutdown())
    processor.run()
    producer.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
