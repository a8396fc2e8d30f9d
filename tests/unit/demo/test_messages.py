"""What the demo sends: the file of texts, and the bad records among them."""

from __future__ import annotations

import json

import pytest

from schemas.dead_reasons import DeadReason
from worker.demo.messages import BAD, BLOCK, MAX_VALUE_BYTES, TEXTS, messages, texts
from worker.errors import RecordError
from worker.intake import Intake
from worker.records import Record


def refusal(value: bytes | None) -> DeadReason | None:
    """Why the worker's own intake refuses the value, if it does."""
    intake = Intake(format="json", pointer="/text", max_value_bytes=MAX_VALUE_BYTES)
    try:
        intake(Record("texts", 0, 0, 0, b"key", value))
    except RecordError as error:
        return error.reason
    return None


def test_the_texts_are_many_and_their_file_is_small() -> None:
    """About two and a half thousand, no two alike, in a file that hardly matters in a wheel."""
    found = texts()

    assert len(found) == 2490
    assert len(set(found)) == len(found)
    assert TEXTS.stat().st_size < 200_000


def test_the_texts_are_short_plain_lines() -> None:
    """Each is a stripped line of a few words, without links, markup or names."""
    odd = [
        text
        for text in texts()
        if text != " ".join(text.split()) or not 3 <= len(text.split()) <= 30 or "http" in text or "#" in text
    ]

    assert odd == []


def test_the_licence_stands_beside_the_texts() -> None:
    """Source, licence and what was changed."""
    notice = TEXTS.with_name("TEXTS.md").read_text(encoding="utf-8")

    assert "GoEmotions" in notice
    assert "CC BY 4.0" in notice
    assert f"{len(texts()):,}".replace(",", " ") in notice


def test_one_message_in_each_hundred_is_bad() -> None:
    """Twenty in two thousand, one in each block of a hundred."""
    bad = [place for place, message in enumerate(messages(2000)) if message.reason is not None]

    assert [place // BLOCK for place in bad] == list(range(20))


@pytest.mark.parametrize("count", [1, 50, 99, 100, 101, 2000])
def test_the_count_is_kept(count: int) -> None:
    """As many as were asked for, and the same whenever asked."""
    first, second = messages(count), messages(count)

    assert len(first) == count
    assert first == second


def test_a_longer_run_begins_like_a_shorter_one() -> None:
    """Bad messages stand where they stood."""
    assert messages(2000)[:150] == messages(150)


def test_every_kind_of_bad_message_occurs() -> None:
    """The default run shows each reason."""
    reasons = {message.reason for message in messages(2000)}

    assert {reason for reason, _ in BAD} | {None} == reasons


def test_the_worker_refuses_the_bad_ones_for_their_reason_and_only_those() -> None:
    """What is called bad here is what the intake calls bad."""
    sent = messages(2000)

    assert [message.reason for message in sent] == [refusal(message.value) for message in sent]


def test_texts_repeat_under_new_numbers() -> None:
    """More messages than texts: no two messages are alike."""
    good = [json.loads(message.value or b"") for message in messages(6000) if message.reason is None]

    assert len({payload["id"] for payload in good}) == len(good)
    assert len({payload["text"] for payload in good}) == len(texts())


def test_every_message_has_a_key() -> None:
    """A client cannot write a record with neither key nor value, and keys keep a user's messages in order."""
    assert all(message.key.startswith(b"user-") for message in messages(300))
