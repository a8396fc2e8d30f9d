"""The headers of a dead letter: written, read again, and told apart from the record's own."""

from __future__ import annotations

import pytest

from schemas.dead_letter import STAGE_HEADER, DeadLetterHeaders, DeadReason, Header, Stage
from schemas.examples import DEAD_LETTER_HEADERS

OWN: list[Header] = [("traceparent", b"00-1"), ("twice", b"1"), ("twice", b"\xff"), ("null", None)]


def test_headers_come_back() -> None:
    """What was rendered is read again, and the record's own headers are as they came."""
    own, ours = DeadLetterHeaders.split([*OWN, *DEAD_LETTER_HEADERS.render()])

    assert (OWN, DEAD_LETTER_HEADERS) == (own, ours)


def test_headers_of_a_former_death_stay() -> None:
    """A dead letter that was consumed and died again keeps its former headers as its own."""
    former = DEAD_LETTER_HEADERS.render()
    again = DEAD_LETTER_HEADERS.model_copy(update={"reason": DeadReason.INFERENCE_FAILED, "stage": Stage.INFERENCE})

    own, ours = DeadLetterHeaders.split([*OWN, *former, *again.render()])

    assert ([*OWN, *former], again) == (own, ours)


@pytest.mark.parametrize("timestamp", [-1, -7, None])
def test_record_without_timestamp_has_no_such_header(timestamp: int | None) -> None:
    """Kafka's mark for no timestamp does not become a header."""
    letter = DeadLetterHeaders.model_validate(
        DEAD_LETTER_HEADERS.model_dump(by_alias=False) | {"source_timestamp": timestamp}
    )

    rendered = letter.render()

    assert "emostream-source-timestamp" not in dict(rendered)
    assert DeadLetterHeaders.parse(rendered).source_timestamp is None


def test_any_timestamp_comes_back() -> None:
    """A timestamp that no calendar holds is kept as the number it is."""
    letter = DEAD_LETTER_HEADERS.model_copy(update={"source_timestamp": 2**63 - 1})

    assert letter == DeadLetterHeaders.parse(letter.render())


def test_omitted_bytes_come_back() -> None:
    """Where the record itself was too large, its size is told."""
    letter = DEAD_LETTER_HEADERS.model_copy(update={"omitted_bytes": 2_000_000})

    rendered = letter.render()

    assert ("emostream-omitted-bytes", b"2000000") == rendered[-1]
    assert letter == DeadLetterHeaders.parse(rendered)


@pytest.mark.parametrize(("message", "header"), [("bad \ud800", b"bad ?"), ("two\r\nlines\n", b"two lines"), ("", b"")])
def test_any_message_is_one_line(message: str, header: bytes) -> None:
    """A message with line breaks or lone surrogates cannot make a dead letter fail."""
    letter = DeadLetterHeaders.model_validate(DEAD_LETTER_HEADERS.model_dump(by_alias=False) | {"message": message})

    assert header == dict(letter.render())["emostream-error-message"]


def test_headers_of_a_later_release_are_read() -> None:
    """Headers that this release does not know do not keep it from reading a dead letter."""
    letter = [*DEAD_LETTER_HEADERS.render(), ("emostream-replay-count", b"2"), ("emostream-null", None)]

    assert DEAD_LETTER_HEADERS == DeadLetterHeaders.parse(letter)


@pytest.mark.parametrize(
    ("headers", "line"),
    [
        ([], "not a dead letter: no header emostream-error-stage"),
        (OWN, "not a dead letter: no header emostream-error-stage"),
        ([(STAGE_HEADER, b"decode")], "not a dead letter: header emostream-error-reason: Field required"),
        ([*DEAD_LETTER_HEADERS.render()[:5]], "not a dead letter: header emostream-source-offset: Field required"),
        (
            [(STAGE_HEADER, b"\xff"), *DEAD_LETTER_HEADERS.render()[1:]],
            "not a dead letter: header emostream-error-stage: ",
        ),
        ([*DEAD_LETTER_HEADERS.render(), ("emostream-source-timestamp", b"x")], "not a dead letter: header emostream-"),
    ],
)
def test_other_record_is_told_apart(headers: list[Header], line: str) -> None:
    """A record that is no dead letter is refused in one line that names the header."""
    with pytest.raises(ValueError, match=r"^not a dead letter") as refusal:
        DeadLetterHeaders.parse(headers)

    assert str(refusal.value).startswith(line)
    assert "\n" not in str(refusal.value)
