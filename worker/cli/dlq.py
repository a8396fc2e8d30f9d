"""`emostream dlq`: look at dead letters, and send them back to the topics they came from."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from schemas.dead_reasons import DeadReason, Stage

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from worker.config import KafkaSettings
    from worker.dead_letters.letters import Letter, Selection
    from worker.dead_letters.ports import LetterReader
    from worker.dead_letters.replaying import Report

FILTERS = "Which letters (each that is given must fit)"
TABLE_ROWS = 50
INTERRUPTED = 130

app = typer.Typer(
    help="Look at dead letters and send them back. Example: emostream dlq list --config worker.yaml",
    no_args_is_help=True,
    add_completion=False,
)


class Format(StrEnum):
    """For people or for programs."""

    TABLE = "table"
    JSON = "json"


Config = Annotated[
    Path | None, typer.Option(help="The worker's YAML file; without one the defaults and EMOSTREAM_… variables count.")
]
Reasons = Annotated[list[DeadReason] | None, typer.Option("--reason", rich_help_panel=FILTERS, help="Repeatable.")]
Stages = Annotated[list[Stage] | None, typer.Option("--stage", rich_help_panel=FILTERS, help="Repeatable.")]
Topics = Annotated[
    list[str] | None, typer.Option("--topic", rich_help_panel=FILTERS, help="Topic they came from. Repeatable.")
]
Partitions = Annotated[
    list[int] | None,
    typer.Option("--partition", min=0, rich_help_panel=FILTERS, help="Partition they came from. Repeatable."),
]
Since = Annotated[
    str | None,
    typer.Option(rich_help_panel=FILTERS, help="Given up then or later: 2026-11-21T10:00 (UTC), or 90m (ago)."),
]
Until = Annotated[str | None, typer.Option(rich_help_panel=FILTERS, help="Given up before.")]
MaxReplays = Annotated[
    int | None, typer.Option(min=1, rich_help_panel=FILTERS, help="Sent back fewer times than this before.")
]
Output = Annotated[Format, typer.Option("--format", help="table, or json (a line for each letter).")]


@app.command("list")
def list_letters(
    config: Config = None,
    reason: Reasons = None,
    stage: Stages = None,
    topic: Topics = None,
    partition: Partitions = None,
    since: Since = None,
    until: Until = None,
    max_replays: MaxReplays = None,
    output: Output = Format.TABLE,
    limit: Annotated[
        int | None, typer.Option(min=1, help=f"At most so many, the oldest first (a table: {TABLE_ROWS}; JSON: all).")
    ] = None,
    contents: Annotated[
        bool, typer.Option("--contents", help="Also what the records say: keys, values, headers.")
    ] = False,
) -> None:
    """Show what stands in the dead-letter topic now, and how much of what.

    Example: emostream dlq list --config worker.yaml --reason invalid_json --since 2h
    """
    from itertools import islice

    from rich.console import Console

    from worker.cli.dlq_access import letters_of
    from worker.dead_letters.view import LetterTable, as_json

    selection = _selection(reason, stage, topic, partition, since, until, max_replays)
    table = LetterTable(limit=limit or TABLE_ROWS, contents=contents)
    with letters_of(_kafka(config)) as reader, _progress() as progress:
        letters = _letters(reader, selection, progress)
        for letter in letters if output is Format.TABLE else islice(letters, limit):
            if output is Format.TABLE:
                table.add(letter)
            else:
                typer.echo(as_json(letter, contents=contents))
    if output is Format.TABLE:
        Console().print(table.rendered())


@app.command()
def replay(
    config: Config = None,
    execute: Annotated[
        bool, typer.Option("--execute", help="Send them. Without it nothing is sent: what would be is shown.")
    ] = False,
    reason: Reasons = None,
    stage: Stages = None,
    topic: Topics = None,
    partition: Partitions = None,
    since: Since = None,
    until: Until = None,
    max_replays: MaxReplays = None,
    rate: Annotated[float | None, typer.Option(min=0.01, help="At most so many records a second.")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="At most so many records.")] = None,
    output: Output = Format.TABLE,
) -> None:
    """Send dead letters back to the topic and partition they came from, as they were; each exactly once.

    Only those go that stood in the topic at the start and were not sent back before. Ctrl-C stops after the
    transaction in hand (exit 130); the same command goes on from there. The header emostream-replays counts.

    Example: emostream dlq replay --config worker.yaml --reason inference_failed --rate 100 --execute
    """
    from worker.cli.dlq_access import replay_of
    from worker.clock import SystemClock
    from worker.dead_letters.replaying import Plan, Replay
    from worker.dead_letters.view import report_json, report_lines
    from worker.stopping import stop_on_signals

    selection = _selection(reason, stage, topic, partition, since, until, max_replays)
    kafka = _kafka(config)
    plan = Plan(selection, frozenset(kafka.input_topics), rate=rate if execute else None, limit=limit)
    with (
        _interrupted_before_anything_is_sent(),
        stop_on_signals() as stop,
        replay_of(kafka, execute=execute) as (reader, returner),
        _progress() as progress,
    ):
        stop.drains_from_now()
        report = Replay(
            plan,
            reader=reader,
            returner=returner,
            clock=SystemClock(),
            sleep=time.sleep,
            stopped=lambda: stop.requested,
            progress=lambda report: progress(report.sent.total(), report.remaining),
        ).run()
    if output is Format.JSON:
        typer.echo(report_json(report, rehearsed=not execute))
    else:
        for line in report_lines(report, rehearsed=not execute):
            typer.echo(line)
    _conclude(report, execute=execute)


@contextmanager
def _interrupted_before_anything_is_sent() -> Iterator[None]:
    """A signal while the brokers are waited for ends a worker well; this command has not done what it was told."""
    try:
        yield
    except SystemExit as interrupted:
        raise typer.Exit(INTERRUPTED) from interrupted


def _conclude(report: Report, *, execute: bool) -> None:
    if not report.finished:
        typer.echo("emostream: stopped; the same command goes on from here", err=True)
        raise typer.Exit(INTERRUPTED)
    if not execute and report.sent:
        typer.echo("emostream: nothing was sent; give --execute to send them", err=True)


def _selection(
    reasons: list[DeadReason] | None,
    stages: list[Stage] | None,
    topics: list[str] | None,
    partitions: list[int] | None,
    since: str | None,
    until: str | None,
    max_replays: int | None,
) -> Selection:
    from worker.dead_letters.letters import Selection, moment

    now = time.time()
    return Selection(
        reasons=frozenset(reasons or ()),
        stages=frozenset(stages or ()),
        topics=frozenset(topics or ()),
        partitions=frozenset(partitions or ()),
        since=float("-inf") if since is None else moment(since, option="--since", now=now),
        until=float("inf") if until is None else moment(until, option="--until", now=now),
        max_replays=max_replays,
    )


def _kafka(config: Path | None) -> KafkaSettings:
    from worker.config import load
    from worker.observability.logging import configure

    configure(level="warning")
    return load(config).kafka


def _letters(reader: LetterReader, selection: Selection, progress: Callable[[int, int], None]) -> Iterator[Letter]:
    from worker.dead_letters.letters import Letter

    reader.start({})
    found = 0
    while (records := reader.read()) is not None:
        for record in records:
            letter = Letter.read(record)
            if letter is not None and selection.takes(letter):
                found += 1
                yield letter
        progress(found, reader.remaining())


def _progress() -> AbstractContextManager[Callable[[int, int], None]]:
    from worker.cli.progress import offsets_progress

    return offsets_progress()
