"""What a backlog costs, in counts with bounds: a regression of speed shows here without a clock."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from typing import Any

import pytest
from kafka import KafkaProducer

from tests.conftest import Topics
from tests.integration.kafka.workers import Road, at_least_once_worker_on, until, worker_on
from tests.unit.core import Observed, broker_with, pipeline_of, publisher_of, pump_of, source_of
from worker.demo.messages import texts
from worker.errors import RecordError
from worker.inference.engine import Engine, EngineOptions
from worker.inference.loading import load_engine
from worker.inference.tokenization import TextEncoder
from worker.pipeline import Pipeline
from worker.ports import InferenceStats
from worker.records import Encoded
from worker.stopping import Stop

WAVE = 512
WAVES = 4


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    """The builtin small model, with the budget that warm-up finds on most machines."""
    with closing(load_engine("builtin:emotion-tiny", options=EngineOptions(max_batch_tokens=1024))) as loaded:
        yield loaded


@pytest.fixture
def tokenizer_calls(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many texts each call was given."""
    calls: list[int] = []
    encode = TextEncoder.encode

    def counted(encoder: TextEncoder, given: Sequence[str]) -> list[Encoded | RecordError]:
        calls.append(len(given))
        return encode(encoder, given)

    monkeypatch.setattr(TextEncoder, "encode", counted)
    return calls


def worked_off(engine: Engine, values: Sequence[str]) -> list[InferenceStats]:
    """What each wave of a backlog cost."""
    broker = broker_with([value.encode() for value in values], partitions=4)
    publisher, observer = publisher_of(broker), Observed()
    pipeline: Pipeline = pipeline_of(publisher, classifier=engine)
    source = source_of(broker, max_poll_records=WAVE)
    pump = pump_of(source, publisher, observer=observer, max_messages=WAVE, max_tokens=32_768, pipeline=pipeline)
    pump.run(stop=Stop(), drain_timeout_s=5, until=source.end_offsets())
    return [each.processed.stats for each in observer.published_waves]


def test_a_backlog_of_real_texts(engine: Engine, tokenizer_calls: list[int]) -> None:
    """Whole waves, one tokenizer call for a poll, little padding, and few forward passes."""
    waves = worked_off(engine, texts()[: WAVE * WAVES])

    assert [WAVE] * WAVES == [each.texts for each in waves]
    assert [WAVE] * WAVES == [calls for calls in tokenizer_calls if calls]
    for stats in waves:
        assert stats.padded_tokens <= 1.05 * stats.real_tokens
        assert stats.forward_passes <= 2 * stats.padded_tokens / 1024


def test_repeated_texts_are_computed_once(engine: Engine) -> None:
    """Within a wave and over waves: only one of two reaches the model."""
    distinct = [f"{number} {text}" for number, text in enumerate(texts()[:WAVE])]
    tokens = sum(each.tokens for each in engine.encode(distinct) if isinstance(each, Encoded))

    waves = worked_off(engine, distinct + distinct)

    assert sum(each.repeated for each in waves) == WAVE
    assert sum(each.real_tokens for each in waves) == tokens


@pytest.fixture
def client_calls(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Of the producer's methods that talk, or wait, or take a record."""
    calls: Counter[str] = Counter()

    def counted(name: str) -> Any:
        real = getattr(KafkaProducer, name)

        def call(*arguments: Any, **options: Any) -> Any:
            calls[name] += 1
            return real(*arguments, **options)

        return call

    for name in ("begin_transaction", "send", "flush", "send_offsets_to_transaction", "commit_transaction"):
        monkeypatch.setattr(KafkaProducer, name, counted(name))
    return calls


@pytest.mark.broker
@pytest.mark.parametrize("delivery", ["exactly-once", "at-least-once"])
def test_what_a_wave_asks_of_the_client(topics: Topics, client_calls: Counter[str], delivery: str) -> None:
    """One send for a record, and each of the rest once for a wave."""
    road = Road.made(topics)
    road.write(range(WAVE))
    made = worker_on(road, settings=replace(road.settings(), max_poll_records=WAVE))
    with made if delivery == "exactly-once" else at_least_once_worker_on(road) as worker:
        waves: list[int] = []
        publish = worker.publisher.publish

        def counted(publication: Any) -> None:
            waves.append(len(publication.outgoing))
            publish(publication)

        worker.publisher.publish = counted  # type: ignore[method-assign]
        until(lambda: worker.published == WAVE, turn=worker.turn)
        asked = dict(client_calls)

    transaction = ("begin_transaction", "send_offsets_to_transaction", "commit_transaction")
    once = ("flush", *(transaction if delivery == "exactly-once" else ()))
    assert {"send": WAVE, **dict.fromkeys(once, len(waves))} == asked
