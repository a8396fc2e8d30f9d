"""Which records librdkafka can be given."""

from __future__ import annotations

import pytest

from worker.kafka.confluent.producer import HeaderNames
from worker.records import Destination, Outgoing, Record

RECORD = Record("in", 0, 0, 0, None, None)


def outgoing(*names: str) -> Outgoing:
    return Outgoing(Destination.OUTPUT, None, b"x", tuple((name, b"1") for name in names), RECORD)


@pytest.mark.parametrize("names", [(), ("plain",), ("snow \u2603", ""), ("same", "same")])
def test_names_that_can_be_sent(names: tuple[str, ...]) -> None:
    """Whatever is UTF-8 without a zero; asked again, the answer is the same."""
    header_names = HeaderNames()

    assert header_names.suit([outgoing(*names)])
    assert header_names.suit([outgoing(*names)])


@pytest.mark.parametrize("name", ["\udcff", "half \ud83d", "zero\0behind"])
def test_names_that_cannot_be_sent(name: str) -> None:
    """Whatever stood beside them, and however often they come."""
    header_names = HeaderNames()

    assert not header_names.suit([outgoing("plain"), outgoing("plain", name)])
    assert not header_names.suit([outgoing(name)])
    assert header_names.suit([outgoing("plain")])
