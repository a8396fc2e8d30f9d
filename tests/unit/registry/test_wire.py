"""The wire format: five bytes before a value."""

from __future__ import annotations

import pytest

from worker.errors import DeadReason, RecordError
from worker.intake import Intake
from worker.records import Record
from worker.registry.wire import frame, unframed


@pytest.mark.parametrize(("schema_id", "bytes_"), [(1, b"\0\0\0\0\1"), (2**31 - 1, b"\0\x7f\xff\xff\xff")])
def test_a_frame_is_a_zero_and_the_id(schema_id: int, bytes_: bytes) -> None:
    """Big-endian, as Confluent's serializers write it."""
    assert bytes_ == frame(schema_id)


@pytest.mark.parametrize("value", [b"", b"\0\0\0\0", b'{"text": "a"}', b"\1\0\0\0\1{}"])
def test_a_value_without_a_frame_is_bad(value: bytes) -> None:
    """Too short, or with another first byte."""
    with pytest.raises(RecordError) as refused:
        unframed(value)

    assert DeadReason.INVALID_FRAMING is refused.value.reason


def test_intake_reads_what_stands_behind_the_frame() -> None:
    """The payload is the JSON alone."""
    intake = Intake(format="json", pointer="/text", max_value_bytes=100, framed=True)

    found = intake(Record("texts", 0, 0, -1, None, frame(7) + b' {"text": "hello"} '))

    assert ("hello", b'{"text": "hello"}') == (found.text, found.payload)
