"""What the demo prints."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from tests.unit.demo.events import BAD, GOOD, dead, enriched, reviewed
from worker.demo.check import check
from worker.demo.outcomes import Outcome, Tally
from worker.demo.samples import Samples
from worker.demo.screen import Screen

SENT = {(0, 0): GOOD, (0, 1): BAD, (0, 2): GOOD}
RIGHT = [enriched((0, 0)), dead((0, 1)), reviewed((0, 2))]


class Seen:
    """A screen and what was printed on it."""

    def __init__(self, *, terminal: bool = False) -> None:
        self.progress = io.StringIO()
        self.results = io.StringIO()
        self.screen = Screen(
            progress=Console(file=self.progress, width=100, force_terminal=terminal, color_system=None),
            results=Console(file=self.results, width=100, force_terminal=False),
        )


def verdict_lines(outcomes: list[Outcome], *, exactly_once: bool = True) -> str:
    seen = Seen()
    seen.screen.verdict(check(SENT, outcomes, exactly_once=exactly_once), seconds=2.0)
    return seen.results.getvalue()


def test_a_good_run_says_so() -> None:
    """Every line ok, the promise kept, and how fast it was."""
    shown = verdict_lines(RIGHT)

    assert shown.count("  ok  ") == 4
    assert "3 messages, each with exactly one outcome: 0 lost, 0 duplicated" in shown
    assert "exactly once   3 messages in 2.0 s: 2 messages/s" in shown


def test_a_loss_is_shouted() -> None:
    """What is wrong, how often, and where."""
    shown = verdict_lines(RIGHT[:-1])

    assert "FAULT  3 messages, each with exactly one outcome: 1 lost, 0 duplicated (partition/offset 0/2)" in shown
    assert "not as promised" in shown


def test_at_least_once_says_that_it_is_less() -> None:
    """On a broker without transactions a repeat is no fault, and is counted."""
    shown = verdict_lines([*RIGHT, RIGHT[0]], exactly_once=False)

    assert "each with at least one outcome: 0 lost, 1 duplicated" in shown
    assert "at least once (this broker cannot promise more)" in shown


def test_samples_show_events_as_json_and_dead_letters_with_headers() -> None:
    """Each with the topic it stands in."""
    seen, samples = Seen(), Samples(3)
    list(samples.watching(RIGHT))

    seen.screen.samples(samples)

    shown = seen.results.getvalue()
    assert '"payload": {"id": 1, "text": "fine"}' in shown
    assert "demo-test.texts.review, partition 0, offset 0" in shown
    assert "value                       b'not JSON'" in shown
    assert "emostream-error-reason      invalid_json" in shown


def test_without_a_terminal_the_end_of_the_counts_is_one_line() -> None:
    """No control characters in a log file."""
    seen, tally = Seen(), Tally()
    tally.add(RIGHT)

    with seen.screen.live(3) as counts:
        counts.update(tally, seconds=1.5)

    assert seen.progress.getvalue() == "3 of 3 messages: 1 enriched, 1 review, 1 dead-letter; 2 messages/s\n"


def test_a_terminal_gets_a_table_of_outcomes_labels_and_reasons() -> None:
    """The last picture stays."""
    seen, tally = Seen(terminal=True), Tally()
    tally.add(RIGHT)

    with seen.screen.live(3) as counts:
        counts.update(tally, seconds=1.5)

    shown = seen.progress.getvalue()
    for words in ("3 of 3 messages", "enriched", "33.3%", "invalid_json", "joy"):
        assert words in shown


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("broker: jvm at 127.0.0.1:9092", "broker  jvm at 127.0.0.1:9092\n"),
        ("not docker: no engine answers", "not docker: no engine answers\n"),
    ],
)
def test_steps_stand_in_columns_and_asides_do_not(line: str, shown: str) -> None:
    """The part first, then what about it."""
    seen = Seen()

    seen.screen.say(line)

    assert shown == seen.progress.getvalue()


def test_a_failed_workers_log_is_shown() -> None:
    """Its last lines, set apart."""
    seen = Seen()

    seen.screen.failure("one\ntwo")

    assert seen.progress.getvalue() == "the last lines of the worker's log:\n  one\n  two\n"
