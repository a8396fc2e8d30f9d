"""`emostream dlq` on a real broker: what is dead is shown, and comes back once, whatever happens on the way."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest

from schemas.dead_letter import REPLAYS_HEADER, DeadReason
from tests.conftest import Topics
from tests.e2e.dead_letter_topic import bury, come_back, dlq, letter, replaying, until_returned
from tests.e2e.processes import Way, worker
from tests.kafka_io import ToSend, produce, read_topic

pytestmark = pytest.mark.broker


@pytest.fixture
def way(topics: Topics, group_id: str) -> Way:
    return Way.made(topics, group_id)


def test_listed_by_reason_and_place(way: Way, tmp_path: Path) -> None:
    """As a table and as JSON lines; contents only when asked for; nothing that could hurt a terminal."""
    hostile = b"\x1b]0;owned\x07secret words"
    bury(way, [letter(way, n, reason=DeadReason.EMPTY_TEXT if n % 2 else DeadReason.INVALID_JSON) for n in range(9)])
    bury(way, [letter(way, 9, value=hostile, own=((REPLAYS_HEADER, b"2"),)), ToSend(b"no letter")])
    config = way.config(tmp_path)

    table = dlq(config, "list", "--reason", "invalid_json")
    contents = dlq(config, "list", "--contents")
    lines = dlq(config, "list", "--format", "json", "--partition", "1", "--since", "1h")
    none = dlq(config, "list", "--until", "1h")

    places = [
        (each["source"]["partition"], each["source"]["offset"]) for each in map(json.loads, lines.stdout.splitlines())
    ]
    assert (0, 0, 0, 0) == (table.returncode, contents.returncode, lines.returncode, none.returncode), table.stderr
    assert "6 letters" in table.stdout
    assert "secret" not in table.stdout + lines.stdout
    assert "secret words" in contents.stdout
    assert "\x1b]0" not in contents.stdout
    assert [(1, 1), (1, 5), (1, 9)] == places
    assert "no letters" in none.stdout


def test_nothing_is_sent_before_it_is_asked_for(way: Way, tmp_path: Path) -> None:
    """The rehearsal says what would be sent and what would be left, and leaves everything where it is."""
    bury(way, [letter(way, n) for n in range(5)])
    bury(way, [letter(way, 5, source_topic="elsewhere"), letter(way, 6, omitted_bytes=5_000_000, value=None)])

    rehearsed = dlq(way.config(tmp_path), "replay")
    for_programs = dlq(way.config(tmp_path), "replay", "--format", "json")

    said = json.loads(for_programs.stdout)
    assert rehearsed.returncode == 0, rehearsed.stderr
    assert "5 would be sent back" in rehearsed.stdout
    assert "1 left: from a topic that is not in kafka.input_topics" in rehearsed.stdout
    assert "give --execute" in rehearsed.stderr
    assert [{"topic": way.input, "reason": "invalid_json", "count": 5}] == said["sent"]
    assert {"other_topic": 1, "no_content": 1} == said["left"]
    assert come_back(way) == []


def test_records_come_back_as_they_were(way: Way, tmp_path: Path) -> None:
    """Keys, values, headers and partitions, byte for byte, whatever they are; ours are gone, and one counts."""
    own = (
        ("trace", b"1"),
        ("trace", b""),
        ("n\u00e4me", b"\xff"),
    )
    bury(
        way,
        [
            letter(way, 1, key=b"\xff\x00", value=b"\x00\xff{", own=own),
            letter(way, 2, value=None),
            letter(way, 3, value=None, key=b"k", own=((REPLAYS_HEADER, b"4"), ("z", b"z"))),
        ],
    )

    sent = dlq(way.config(tmp_path), "replay", "--execute")

    first, second, third = come_back(way)
    assert sent.returncode == 0, sent.stderr
    assert (1, b"\xff\x00", b"\x00\xff{", (*own, (REPLAYS_HEADER, b"1"))) == (
        first.partition,
        first.key,
        first.value,
        first.headers,
    )
    assert (2, None, None) == (second.partition, second.key, second.value)
    assert (3, b"k", None, (("z", b"z"), (REPLAYS_HEADER, b"5"))) == (
        third.partition,
        third.key,
        third.value,
        third.headers,
    )


def test_filters_one_after_the_other_send_each_once(way: Way, tmp_path: Path) -> None:
    """What one filter took is remembered by the next, which is run with another."""
    bury(way, [letter(way, n, reason=DeadReason.EMPTY_TEXT if n % 3 else DeadReason.INVALID_JSON) for n in range(30)])
    config = way.config(tmp_path)

    codes = [
        dlq(config, "replay", "--execute", *filters).returncode
        for filters in (("--reason", "empty_text", "--partition", "2"), ("--limit", "7"), (), ())
    ]

    assert [0, 0, 0, 0] == codes
    assert list(range(30)) == sorted(int(record.value or b"") for record in come_back(way))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_interrupted_in_the_middle_it_goes_on(way: Way, tmp_path: Path, number: signal.Signals) -> None:
    """Ctrl-C ends after the transaction in hand, with 130; kill -9 in any place: the next run sends the rest, once."""
    bury(way, [letter(way, n) for n in range(400)])
    config = way.config(tmp_path)

    with replaying(config, "--rate", "60") as process:
        until_returned(way, 100)
        process.send_signal(number)
        said = process.communicate(timeout=30)
    returned = len(come_back(way))
    rest = dlq(config, "replay", "--execute", "--format", "json")

    assert process.returncode == (130 if number is signal.SIGINT else -signal.SIGKILL), said
    assert 100 <= returned < 400
    assert rest.returncode == 0, rest.stderr
    assert [400 - returned] == [each["count"] for each in json.loads(rest.stdout)["sent"]]
    back = [int(record.value or b"") for record in come_back(way)]
    assert list(range(400)) == sorted(back)
    if number is signal.SIGINT:
        assert f"{returned} sent back" in said[0]
        assert "goes on from here" in said[1]


def test_a_second_replay_takes_over(way: Way, tmp_path: Path) -> None:
    """Two at once send each letter once: the older one ends, and says why."""
    bury(way, [letter(way, n) for n in range(200)])
    config = way.config(tmp_path)

    with replaying(config, "--rate", "4") as older:
        until_returned(way, 8)  # it has three quarters of a minute to go, and the newer one starts in some seconds
        newer = dlq(config, "replay", "--execute")
        said = older.communicate(timeout=60)

    assert (1, 0) == (older.returncode, newer.returncode), said
    assert "another replay of this group has begun" in said[1]
    assert list(range(200)) == sorted(int(record.value or b"") for record in come_back(way))


def test_mended_records_get_their_outcome(way: Way, tmp_path: Path) -> None:
    """The whole round: a wrong setting kills records, the setting is mended, they are replayed and classified."""
    produce(way.bootstrap_servers, way.input, [ToSend(b'{"body": "so happy"}', partition=n % 4) for n in range(20)])
    with worker(way.config(tmp_path), "--until-caught-up") as first:
        codes = [first.wait()]
    right = way.config(tmp_path, input={"text": "/body"})

    replayed = dlq(right, "replay", "--execute", "--max-replays", "1")
    with worker(right, "--until-caught-up") as second:
        codes.append(second.wait())

    outcomes = way.outcomes()
    read = outcomes.output + outcomes.review
    assert [0, 0] == codes, first.log() + second.log()
    assert "20 sent back" in replayed.stdout, replayed.stderr
    assert (20, 20) == (len(outcomes.dead_letter), len(read))
    assert {b"1"} == {record.header(REPLAYS_HEADER) for record in read}
    assert 40 == len(read_topic(way.bootstrap_servers, way.input))


def test_no_broker_and_no_topic_are_a_line(way: Way, tmp_path: Path) -> None:
    """Exit 1 with what to change."""
    away = dlq(way.config(tmp_path, kafka={"bootstrap_servers": "127.0.0.1:1", "connect_timeout_s": 1}), "list")
    missing = dlq(way.config(tmp_path, kafka={"dead_letter_topic": "nowhere"}), "replay", "--execute")

    assert (1, 1) == (away.returncode, missing.returncode)
    assert "no broker answers at 127.0.0.1:1" in away.stderr
    assert "missing topics: nowhere" in missing.stderr


def test_interrupted_while_no_broker_answers(way: Way, tmp_path: Path) -> None:
    """Nothing was sent, and the exit code says that it was not done."""
    config = way.config(tmp_path, kafka={"bootstrap_servers": "127.0.0.1:1"})

    with replaying(config) as process:
        assert process.stderr is not None
        said = process.stderr.readline()
        process.send_signal(signal.SIGINT)
        code = process.wait(30)

    assert "broker.unreachable" in said
    assert code == 130
