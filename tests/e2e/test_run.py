"""The installed worker as a process on a real broker: what is read comes out, each record once."""

from __future__ import annotations

import json
import re
import signal
from pathlib import Path

import pytest

from schemas.dead_letter import DeadLetterHeaders
from schemas.enriched import EnrichedEvent
from schemas.review import ReviewEvent
from tests.bad_inputs import BAD_JSON, ODD_JSON
from tests.conftest import Topics
from tests.e2e.processes import Way, worker
from tests.kafka_io import ToSend, produce

pytestmark = pytest.mark.broker

FEELINGS = ["i feel happy today", "i feel so sad and alone", "i am furious about it", "that scares me", "i love you"]


def texts(count: int) -> list[ToSend]:
    """Records of every kind of key over four partitions; every fiftieth is bad."""
    records = []
    for number in range(count):
        text = f"{FEELINGS[number % len(FEELINGS)]} number {number}"
        value = json.dumps({"id": number, "text": text}).encode() if number % 50 else b"{broken"
        key = f"user-{number % 17}".encode() if number % 2 else None
        records.append(ToSend(value, key=key, partition=None if key else number % 4))
    return records


@pytest.fixture
def way(topics: Topics, group_id: str) -> Way:
    return Way.made(topics, group_id)


def sent(way: Way, records: list[ToSend]) -> list[str]:
    """Produce the records; the identities that must come out."""
    places = produce(way.bootstrap_servers, way.input, records)
    return sorted(f"{way.input}/{partition}/{offset}" for partition, offset in places)


def test_every_record_has_one_outcome(way: Way, tmp_path: Path) -> None:
    """Until caught up: counts are exact, offsets stand at the log end, order holds, events are what the schemas say."""
    expected = sent(way, texts(3_000))

    with worker(way.config(tmp_path), "--until-caught-up") as running:
        code = running.wait()

    outcomes = way.outcomes()
    assert code == 0, running.log()
    assert expected == sorted(outcomes.ids())
    assert outcomes.misordered() == []
    assert way.committed_to_the_end()
    assert len(outcomes.dead_letter) == 60
    for record in outcomes.output[:20]:
        assert EnrichedEvent.model_validate_json(record.value or b"").id == record.header("ce_id").decode()  # type: ignore[union-attr]
    for record in outcomes.review[:20]:
        assert ReviewEvent.model_validate_json(record.value or b"").outcome == "abstained"


def test_at_least_once_keeps_the_counts_without_faults(way: Way, tmp_path: Path) -> None:
    """Without a failure there are no repeats either."""
    expected = sent(way, texts(1_000))
    config = way.config(tmp_path, kafka={"delivery": "at-least-once"})

    with worker(config, "--until-caught-up") as running:
        code = running.wait()

    assert code == 0, running.log()
    assert expected == sorted(way.outcomes().ids())
    assert way.committed_to_the_end()


@pytest.mark.parametrize("client", ["kafka-python", "confluent-kafka"])
def test_killed_in_the_middle_and_started_again_it_is_still_exactly_once(way: Way, tmp_path: Path, client: str) -> None:
    """kill -9 between any two waves, twice, then a worker that finishes: no record lost, none twice."""
    expected = sent(way, texts(6_000))
    config = way.config(tmp_path, batch={"max_messages": 100}, kafka={"client": client})

    for waves in (5, 12):
        with worker(config) as running:
            running.wait_for("wave.published", times=waves)
            running.kill()
    with worker(config, "--until-caught-up") as running:
        code = running.wait()

    outcomes = way.outcomes()
    assert code == 0, running.log()
    assert expected == sorted(outcomes.ids())
    assert outcomes.misordered() == []
    assert way.committed_to_the_end()


def test_two_workers_share_the_work(way: Way, tmp_path: Path) -> None:
    """A second worker that joins and a first that leaves move partitions; nothing is lost or repeated."""
    expected = sent(way, texts(6_000))
    config = way.config(tmp_path, batch={"max_messages": 100})

    with worker(config) as first:
        first.wait_for("wave.published", times=5)
        with worker(config, "--until-caught-up") as second:
            second.wait_for("group.assigned")
            first.process.send_signal(signal.SIGTERM)
            codes = [first.wait(), second.wait()]

    outcomes = way.outcomes()
    assert codes == [0, 0], first.log() + second.log()
    assert expected == sorted(outcomes.ids())
    assert outcomes.misordered() == []


def test_sigterm_drains(way: Way, tmp_path: Path) -> None:
    """What was read is finished and committed; exit 0; the rest is there for the next worker."""
    expected = sent(way, texts(4_000))
    config = way.config(tmp_path, batch={"max_messages": 100})

    with worker(config) as running:
        running.wait_for("wave.published", times=3)
        running.process.send_signal(signal.SIGTERM)
        code = running.wait(timeout_s=30)
    with worker(config, "--until-caught-up") as rest:
        rest.wait()

    assert code == 0, running.log()
    assert expected == sorted(way.outcomes().ids())


def test_every_bad_record_is_a_dead_letter_and_the_odd_ones_pass(way: Way, tmp_path: Path) -> None:
    """Each bad input ends with its reason and its own bytes; the process lives and nothing else is lost."""
    inputs = [*BAD_JSON, *ODD_JSON]
    records = [ToSend(each.value, headers=each.headers, partition=0) for each in inputs]
    expected = sent(way, records)

    with worker(way.config(tmp_path), "--until-caught-up") as running:
        code = running.wait()

    outcomes = way.outcomes()
    letters = {}
    for record in outcomes.dead_letter:
        theirs, ours = DeadLetterHeaders.split(record.headers)
        letters[ours.source_offset] = (str(ours.reason), record.value, len(theirs))
    bad = {
        place: (str(each.reason), each.value, len(each.headers))
        for place, each in enumerate(inputs)
        if each.reason is not None
    }
    assert code == 0, running.log()
    assert expected == sorted(outcomes.ids())
    assert bad == letters


def test_no_text_reaches_the_log(way: Way, tmp_path: Path) -> None:
    """Neither a good nor a bad record's words are in a log line, at the most talkative level."""
    secret = "unmistakable-words-of-a-person"
    sent(way, [ToSend(json.dumps({"text": secret}).encode()), ToSend(secret.encode()), ToSend(b'{"text": 1}')])

    with worker(way.config(tmp_path, logging={"level": "debug", "format": "json"}), "--until-caught-up") as running:
        running.wait()

    assert secret not in running.log()
    assert all(json.loads(line) for line in running.log().splitlines())


def test_the_dead_letter_limit_is_exit_3(way: Way, tmp_path: Path) -> None:
    """When the input format is wrong the worker stops, and the records that told it so stay uncommitted."""
    sent(way, [ToSend(b"plain words", partition=0) for _ in range(500)])
    config = way.config(tmp_path, dead_letter={"max_ratio": 0.5, "window": 100}, batch={"max_messages": 20})

    with worker(config) as running:
        code = running.wait()

    assert code == 3
    assert 0 < len(way.outcomes().dead_letter) <= 50
    assert not way.committed_to_the_end()


@pytest.mark.parametrize(
    ("section", "says"),
    [
        ({"model": {"name": "builtin:nothing"}}, "builtin:nothing"),
        ({"kafka": {"group": "x"}}, "kafka.group: unknown key; did you mean kafka.group_id"),
        ({"input": {"text": "no-slash"}}, "input.text"),
        ({"decision": {"policy": "missing.json"}}, "missing.json"),
    ],
)
def test_bad_settings_are_exit_2_before_any_connection(
    section: dict[str, dict[str, object]], says: str, tmp_path: Path
) -> None:
    """One line that says what to change; no broker is asked."""
    way = Way("127.0.0.1:1", "group", "a", "b", "c", "d")

    with worker(way.config(tmp_path, **section)) as running:
        code = running.wait()

    lines = [line for line in running.log().splitlines() if line.startswith("emostream: ")]
    assert code == 2
    assert len(lines) == 1
    assert says in lines[0]


def test_a_missing_topic_is_exit_1(way: Way, tmp_path: Path) -> None:
    """All that is missing is named in one line."""
    config = way.config(tmp_path, kafka={"output_topic": "nowhere", "review_topic": "neither"})

    with worker(config) as running:
        code = running.wait(timeout_s=30)

    assert code == 1
    assert re.search(r"emostream: .*neither.*nowhere", running.log())
