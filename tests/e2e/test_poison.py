"""What cannot be borne costs one dead letter, through the real worker on a real broker; and a flood of it stops."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from schemas.dead_letter import DeadLetterHeaders, DeadReason, Stage
from tests.conftest import Topics, fresh
from tests.e2e.processes import Way, payload, worker
from tests.kafka_io import ToSend, committed_offsets, produce

pytestmark = pytest.mark.broker

POISON = "furious"
TEXTS = 256
POISONED = 100
LOG2_TEXTS = 8


@pytest.fixture(scope="module")
def texts(jvm_broker: object, topics_of_module: Topics) -> tuple[Topics, str]:
    """A topic with one poison text among others of all lengths."""
    topic = topics_of_module("texts", partitions=1)
    values = [{"text": " ".join(["i feel so happy about it", *["and again"] * (n % 7), str(n)])} for n in range(TEXTS)]
    values[POISONED]["text"] += f" and {POISON}"
    produce(topics_of_module.bootstrap_servers, topic, [ToSend(json.dumps(value).encode()) for value in values])
    return topics_of_module, topic


@pytest.fixture(scope="module")
def topics_of_module(jvm_broker: object) -> Topics:
    return Topics(jvm_broker.bootstrap_servers)  # type: ignore[attr-defined]


def read_through(
    texts: tuple[Topics, str], folder: Path, kind: str
) -> tuple[dict[int, dict[str, float]], list[DeadLetterHeaders], int]:
    """A worker whose model is poisoned so: scores by offset, dead letters, and passes beyond one for each wave."""
    topics, topic = texts
    way = Way(topics.bootstrap_servers, fresh("group"), topic, topics("out"), topics("review"), topics("dead"))
    config = way.config(
        folder, batch={"max_delay_s": 1}, inference={"max_batch_tokens": 16_384, "workers": 1, "cache_size": 0}
    )
    word = "[PAD]x" if kind == "none" else POISON
    command = [sys.executable, "-m", "tests.e2e.poisoned_worker", kind, word, "--config", str(config)]
    ran = subprocess.run([*command, "--until-caught-up"], capture_output=True, text=True, timeout=90, check=False)
    assert ran.returncode == 0, ran.stderr
    outcomes = way.outcomes()
    scores = {}
    for record in (*outcomes.output, *outcomes.review):
        event = payload(record)
        scores[int(str(event["id"]).rpartition("/")[2])] = event["scores"]
    passes = int(re.findall(r'"passes": (\d+)', ran.stderr)[-1])
    letters = [DeadLetterHeaders.parse(record.headers) for record in outcomes.dead_letter]
    return scores, letters, passes - ran.stderr.count('"wave.published"')  # type: ignore[return-value]


@pytest.fixture(scope="module")
def healthy(
    texts: tuple[Topics, str], tmp_path_factory: pytest.TempPathFactory
) -> tuple[dict[int, dict[str, float]], int]:
    scores, letters, passes = read_through(texts, tmp_path_factory.mktemp("healthy"), "none")
    assert (TEXTS, []) == (len(scores), letters)
    return scores, passes


@pytest.mark.parametrize("kind", ["raises", "memory", "nan"])
def test_a_poison_text_costs_one_dead_letter(
    kind: str, texts: tuple[Topics, str], healthy: tuple[dict[int, dict[str, float]], int], tmp_path: Path
) -> None:
    """However the model fails on it: its neighbours' scores are what they are without it, for few more passes."""
    expected, usual_passes = healthy

    scores, letters, passes = read_through(texts, tmp_path, kind)

    assert [(POISONED, Stage.INFERENCE, DeadReason.INFERENCE_FAILED)] == [
        (letter.source_offset, letter.stage, letter.reason) for letter in letters
    ]
    assert set(range(TEXTS)) - {POISONED} == set(scores)
    for offset, found in scores.items():
        assert found == pytest.approx(expected[offset], abs=1e-4)
    assert passes <= usual_passes + 2 * LOG2_TEXTS


def test_events_that_no_topic_takes(topics: Topics, group_id: str, tmp_path: Path) -> None:
    """Too large with what stands around them: dead, nothing is retried, their neighbours pass. A record whose letter
    would be too large as well leaves its place there."""
    way = Way.made(topics, group_id, partitions=1)
    swelling = b"so happy " + b"\x01" * 200_000  # six bytes each as JSON
    headers = [(f"header-{n}", b"x" * 16_000) for n in range(20)]
    output = topics("small", partitions=1, configs={"max.message.bytes": "300000"})
    records = [ToSend(b"so happy"), ToSend(swelling), ToSend(b"yes", headers=headers), ToSend(b"so sad")]
    produce(way.bootstrap_servers, way.input, records)

    config = way.config(tmp_path, kafka={"output_topic": output}, input={"format": "text"})

    with worker(config, "--until-caught-up") as running:
        code = running.wait()

    outcomes = replace(way, output=output).outcomes()
    assert code == 0, running.log()
    assert [
        (1, Stage.PUBLISH, DeadReason.EVENT_TOO_LARGE, swelling),
        (2, Stage.PUBLISH, DeadReason.EVENT_TOO_LARGE, None),
    ] == [
        (letter.source_offset, letter.stage, letter.reason, record.value)
        for record in outcomes.dead_letter
        for letter in [DeadLetterHeaders.parse(record.headers)]
    ]
    assert 2 == len(outcomes.output) + len(outcomes.review)
    assert "wave.not_published" not in running.log()


def test_a_restart_does_not_step_over_the_evidence(topics: Topics, group_id: str, tmp_path: Path) -> None:
    """The wave that exceeded the limit is neither published nor committed: started again the worker meets it again."""
    way = Way.made(topics, group_id, partitions=1)
    good, bad = [ToSend(b'{"text": "so happy"}')] * 100, [ToSend(b"plain words")] * 400
    produce(way.bootstrap_servers, way.input, [*good, *bad])
    config = way.config(tmp_path, dead_letter={"max_ratio": 0.5, "window": 100}, batch={"max_messages": 20})

    seen = []
    for _ in range(2):
        with worker(config) as running:
            code = running.wait()
        committed = committed_offsets(way.bootstrap_servers, way.group_id, way.input)[0] or 0
        dead = [DeadLetterHeaders.parse(each.headers).source_offset for each in way.outcomes().dead_letter]
        seen.append((code, committed, dead))

    for code, committed, dead in seen:
        assert code == 3
        assert list(range(100, committed)) == dead
    assert 100 < seen[0][1] <= seen[1][1] <= 150
    with worker(way.config(tmp_path, input={"format": "text"}), "--until-caught-up") as mended:
        assert mended.wait() == 0, mended.log()
    outcomes = way.outcomes()
    assert 500 == len(set(outcomes.ids())) == len(outcomes.ids())
    assert seen[1][1] - 100 == len(outcomes.dead_letter)
