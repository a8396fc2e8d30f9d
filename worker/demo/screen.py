"""What the demo shows: steps and live counts on the progress console, samples and the verdict on the results console.

Owns words, colours and layout; decides nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from textwrap import indent

import orjson
from rich.console import Console
from rich.highlighter import JSONHighlighter
from rich.live import Live
from rich.text import Text

from worker.demo.check import Verdict
from worker.demo.live import COLOURS, NAMES, LiveCounts
from worker.demo.outcomes import Event, Outcome
from worker.demo.samples import Samples, laid_out, shortened

WIDEST = 100
MARGIN = "  "
GAP = "   "
NAME_WIDTH = 26
REFRESH_PER_SECOND = 10


class Screen:
    """Two consoles, or one for both; on a progress console that is no terminal, plain lines."""

    def __init__(self, *, progress: Console, results: Console) -> None:
        self._progress = progress
        self._results = results

    def say(self, line: str) -> None:
        """One line of the form `part: what about it`, as the brokers report; anything else is an aside."""
        part, colon, rest = line.partition(": ")
        text = Text(line, style="dim")
        if colon and " " not in part:
            text = Text.assemble((f"{part:<8}", "bold"), rest)
        self._progress.print(text, soft_wrap=True)

    @contextmanager
    def waiting(self, what: str) -> Iterator[None]:
        """Something takes a while."""
        if not self._progress.is_terminal:
            self.say(what)
            yield
            return
        with self._progress.status(Text(what, style="dim"), spinner_style="dim"):
            yield

    @contextmanager
    def live(self, total: int) -> Iterator[LiveCounts]:
        """Counts that are shown while the block runs, and as they are at its end."""
        counts = LiveCounts(total, self._progress)
        if not self._progress.is_terminal:
            yield counts
            counts.print_line()
            return
        with Live(get_renderable=counts.table, console=self._progress, refresh_per_second=REFRESH_PER_SECOND):
            yield counts

    def samples(self, samples: Samples) -> None:
        """Some of each kind."""
        for destination, name in NAMES.items():
            for outcome in samples.of(destination):
                self._sample(name, outcome, colour=COLOURS[destination])

    def verdict(self, verdict: Verdict, *, seconds: float) -> None:
        """What the check found, and how fast it went."""
        self._results.print(Text("check: the three topics, read back from their beginning, read-committed"))
        for good, line in findings(verdict):
            mark = ("ok", "green") if good else ("FAULT", "bold red")
            self._results.print(Text.assemble(MARGIN, mark, " " * (7 - len(mark[0])), line), soft_wrap=True)
        rate = f"{verdict.messages:,} messages in {seconds:.1f} s: {verdict.messages / seconds:,.0f} messages/s"
        said = (conclusion(verdict), "bold green" if verdict.good else "bold red")
        self._results.print(Text.assemble("\n", said, GAP, rate), soft_wrap=True)

    def failure(self, log: str) -> None:
        """The last lines of a worker that failed."""
        self._progress.print(Text("the last lines of the worker's log:", style="bold"))
        self._progress.print(Text(indent(log, MARGIN)), soft_wrap=True)

    def times(self, times: Sequence[tuple[str, float]]) -> None:
        """Where the seconds went."""
        spent = ", ".join(f"{name} {seconds:.1f}" for name, seconds in times)
        self._progress.print(Text(f"seconds: {spent}", style="dim"), soft_wrap=True)

    def _sample(self, name: str, outcome: Outcome, *, colour: str) -> None:
        record = outcome.record
        where = f"{record.topic}, partition {record.partition}, offset {record.offset}"
        self._results.print(Text.assemble((name, f"bold {colour}"), GAP, (where, "dim")), soft_wrap=True)
        width = min(self._results.width, WIDEST) - len(MARGIN)
        text = _event(record.value, width) if isinstance(outcome.content, Event) else _dead_letter(outcome)
        self._results.print(text, "", soft_wrap=True, sep="\n")


def findings(verdict: Verdict) -> list[tuple[bool, str]]:
    """What was checked, line by line: whether it is as it should be, and what was found."""
    promised = "exactly one outcome" if verdict.exactly_once else "at least one outcome"
    unsent = f", {len(verdict.unsent):,} never sent" if verdict.unsent else ""
    return [
        (
            verdict.each_has_its_outcome,
            f"{verdict.messages:,} messages, each with {promised}: "
            f"{len(verdict.lost):,} lost, {len(verdict.repeated):,} duplicated{unsent}"
            + _examples(verdict.lost or verdict.repeated or verdict.unsent),
        ),
        (
            not verdict.misordered,
            f"in every topic in the order of their input partition: {len(verdict.misordered):,} out of order"
            + _examples(verdict.misordered),
        ),
        (
            not verdict.misjudged,
            f"dead letters are the bad messages, each for its reason: {len(verdict.misjudged):,} wrong"
            + _examples(verdict.misjudged),
        ),
        (
            not verdict.altered,
            f"keys and payloads as they were sent, dead letters byte for byte: {len(verdict.altered):,} altered"
            + _examples(verdict.altered),
        ),
    ]


def conclusion(verdict: Verdict) -> str:
    """The verdict in a few words."""
    if not verdict.good:
        return "not as promised"
    return "exactly once" if verdict.exactly_once else "at least once (this broker cannot promise more)"


def _examples(places: Sequence[tuple[int, int]]) -> str:
    some = ", ".join(f"{partition}/{offset}" for partition, offset in places[:3])
    return f" (partition/offset {some}{', …' if len(places) > 3 else ''})" if places else ""


def _event(value: bytes | None, width: int) -> Text:
    text = Text(indent(laid_out(orjson.loads(value or b"null"), width=width), MARGIN))
    JSONHighlighter().highlight(text)
    return text


def _dead_letter(outcome: Outcome) -> Text:
    record = outcome.record
    lines = [("key", shortened(record.key)), ("value", shortened(record.value))]
    lines += [(name, (value or b"").decode(errors="replace")) for name, value in record.headers]
    text = Text()
    for name, value in lines:
        text.append(MARGIN).append(name, style="dim").append(" " * (NAME_WIDTH + 2 - len(name))).append(f"{value}\n")
    text.rstrip()
    return text
