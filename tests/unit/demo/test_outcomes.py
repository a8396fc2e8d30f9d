"""Outcomes read from the topics, and the counting of them."""

from __future__ import annotations

import pytest

from tests.unit.demo.events import TOPICS, dead, enriched, reviewed
from worker.demo.outcomes import DeadLetter, Event, Tally, outcome
from worker.errors import EmostreamError
from worker.records import Destination, Record


def test_an_event_says_where_it_comes_from() -> None:
    """Its source, labels and payload."""
    read = enriched((2, 17))

    assert (2, 17) == read.source
    assert Destination.OUTPUT is read.destination
    assert Event(("joy",), {"id": 1, "text": "fine"}) == read.content


def test_a_dead_letter_says_it_in_its_headers() -> None:
    """Its source and reason; headers of the record's own are kept apart."""
    read = dead((2, 17))

    assert (2, 17) == read.source
    assert Destination.DEAD_LETTER is read.destination
    assert DeadLetter("invalid_json", ()) == read.content


@pytest.mark.parametrize("value", [None, b"", b"{}", b"[]", b"null", b'{"source": {"partition": 0}}'])
@pytest.mark.parametrize("topic", [TOPICS.output, TOPICS.review, TOPICS.dead_letter])
def test_what_the_worker_cannot_have_written_is_said(topic: str, value: bytes | None) -> None:
    """One line that names the record, not what is in it."""
    with pytest.raises(EmostreamError, match=f"{topic}/3/9 is not what the worker promises"):
        outcome(Record(topic, 3, 9, 0, b"key", value), TOPICS)


def test_the_tally_counts_by_outcome_label_and_reason() -> None:
    """Each message once, however often it has an outcome."""
    tally = Tally()

    tally.add([enriched((0, 0)), enriched((0, 1)), reviewed((0, 2))])
    tally.add([dead((0, 3)), enriched((0, 0))])

    assert tally.messages == 4
    assert {Destination.OUTPUT: 3, Destination.REVIEW: 1, Destination.DEAD_LETTER: 1} == tally.by_destination
    assert {"joy": 3} == tally.labels[Destination.OUTPUT]
    assert {"joy": 1} == tally.labels[Destination.REVIEW]
    assert {"invalid_json": 1} == tally.reasons


def test_every_run_has_topics_of_its_own() -> None:
    """Four names that begin with the run's."""
    expected = ["demo-1.texts", "demo-1.texts.enriched", "demo-1.texts.review", "demo-1.texts.dead-letter"]

    assert expected == type(TOPICS).named("demo-1").all
