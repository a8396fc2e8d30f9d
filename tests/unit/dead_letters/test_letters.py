from __future__ import annotations

import pytest

from schemas.dead_letter import REPLAYS_HEADER, DeadReason, Stage
from tests.unit.dead_letters.topic import MOMENT_MS, letter
from worker.dead_letters.letters import Letter, Selection, moment
from worker.errors import ConfigError
from worker.records import Record

AT = MOMENT_MS / 1000


def read(record: Record) -> Letter:
    found = Letter.read(record)
    assert found is not None
    return found


def test_the_original_record_comes_back() -> None:
    """Its own headers in their order, none of ours, and a count of one."""
    own = (("trace", b"1"), ("trace", None), ("emostream-error-stage-of-others", b"x"))

    found = read(letter(1, own=own))

    assert (*own, (REPLAYS_HEADER, b"1")) == found.headers_to_send


@pytest.mark.parametrize(
    ("written", "sent"),
    [(b"1", b"2"), (b"99", b"100"), (b"", b"1"), (b"-3", b"1"), (b"1e9", b"1"), (b"9" * 5000, b"1"), (None, b"1")],
)
def test_replays_are_counted(written: bytes | None, sent: bytes) -> None:
    """One more than what stands there; what is no sensible number counts as none. There is one such header."""
    found = read(letter(1, own=((REPLAYS_HEADER, written), ("trace", b"1"))))

    assert (("trace", b"1"), (REPLAYS_HEADER, sent)) == found.headers_to_send


def test_a_dead_letter_that_was_input_keeps_its_first_life() -> None:
    """Only the last headers of ours are taken off."""
    first = letter(1, own=(("trace", b"1"),))

    found = read(letter(2, own=first.headers))

    assert first.headers == found.headers


@pytest.mark.parametrize("headers", [(), (("emostream-error-stage", b"nonsense"),)])
def test_what_is_no_dead_letter(headers: tuple[tuple[str, bytes], ...]) -> None:
    """Anybody may write to the topic."""
    assert Letter.read(Record("dead", 0, 1, 0, None, b"", headers)) is None


@pytest.mark.parametrize(
    ("selection", "taken"),
    [
        (Selection(), True),
        (Selection(reasons=frozenset({DeadReason.INVALID_JSON, DeadReason.EMPTY_TEXT})), True),
        (Selection(reasons=frozenset({DeadReason.EMPTY_TEXT})), False),
        (Selection(stages=frozenset({Stage.DECODE})), True),
        (Selection(stages=frozenset({Stage.INFERENCE})), False),
        (Selection(topics=frozenset({"texts"})), True),
        (Selection(topics=frozenset({"other"})), False),
        (Selection(partitions=frozenset({0})), True),
        (Selection(partitions=frozenset({1})), False),
        (Selection(since=AT), True),
        (Selection(since=AT + 1), False),
        (Selection(until=AT), False),
        (Selection(until=AT + 1), True),
        (Selection(max_replays=3), True),
        (Selection(max_replays=2), False),
        (Selection(reasons=frozenset({DeadReason.INVALID_JSON}), partitions=frozenset({1})), False),
    ],
)
def test_every_filter_must_fit(selection: Selection, *, taken: bool) -> None:
    """A letter of texts/0, sent back twice before."""
    assert taken == selection.takes(read(letter(1, own=((REPLAYS_HEADER, b"2"),))))


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ("2026-11-21T10:00", 1795255200.0),
        ("2026-11-21T10:00:00Z", 1795255200.0),
        ("2026-11-21T11:00:00+01:00", 1795255200.0),
        ("2026-11-21", 1795219200.0),
        ("90m", AT - 5400),
        ("2h", AT - 7200),
        ("7d", AT - 604_800),
    ],
)
def test_moments(written: str, seconds: float) -> None:
    """A time, in UTC unless it says otherwise, or an age."""
    assert seconds == moment(written, option="--since", now=AT)


@pytest.mark.parametrize("written", ["", "m", "soon", "-5m", "5 m", "\u0661m", "99999999999d", "2026-13-01"])
def test_bad_moments(written: str) -> None:
    """One line that names the option and how to write it."""
    with pytest.raises(ConfigError, match=r"--since: .* like 2026-11-21T10:00 nor an age like 90m"):
        moment(written, option="--since", now=AT)
