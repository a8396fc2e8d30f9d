"""Letters as JSON lines and as tables for people. Shows keys and values only when told to.

What stands in a dead-letter topic may have been made to hurt terminals: control characters are never printed.
"""

from __future__ import annotations

import base64
import json
from collections import Counter
from datetime import UTC, datetime
from typing import Any

from rich.console import Group
from rich.table import Table
from rich.text import Text

from worker.dead_letters.letters import Letter
from worker.dead_letters.replaying import Report
from worker.errors import printable

SHOWN_CHARACTERS = 120
YEAR_10000_MS = 253_402_300_800_000


def as_json(letter: Letter, *, contents: bool) -> str:
    """One line. `contents`: also key, value and headers; what is not UTF-8 as {"base64": …}."""
    ours, record = letter.ours, letter.record
    fields: dict[str, Any] = {
        "partition": record.partition,
        "offset": record.offset,
        "time": _time(record.timestamp_ms),
        "stage": ours.stage,
        "reason": ours.reason,
        "message": ours.message,
        "source": {
            "topic": ours.source_topic,
            "partition": ours.source_partition,
            "offset": ours.source_offset,
            "timestamp": None if ours.source_timestamp is None else _time(ours.source_timestamp),
        },
        "group": ours.group,
        "version": ours.version,
        "omitted_bytes": ours.omitted_bytes,
        "replays": letter.replays,
    }
    if contents:
        fields["key"] = _bytes(record.key)
        fields["value"] = _bytes(record.value)
        fields["headers"] = [[printable(name), _bytes(value)] for name, value in letter.headers]
    return json.dumps(fields)


class LetterTable:
    """Fills with letters; shows the first `limit` of them, and counts all."""

    def __init__(self, *, limit: int, contents: bool) -> None:
        self._limit = limit
        self._contents = contents
        self._counts: Counter[tuple[str, str, str]] = Counter()
        columns = ["place", "given up at", "source", "stage", "reason", "replays", "value" if contents else "message"]
        self._table = Table(*columns)

    def add(self, letter: Letter) -> None:
        ours, record = letter.ours, letter.record
        self._counts[(ours.source_topic, ours.stage, ours.reason)] += 1
        if self._counts.total() > self._limit:
            return
        source = f"{ours.source_topic}/{ours.source_partition}/{ours.source_offset}"
        last = (record.value or b"").decode(errors="replace") if self._contents else ours.message
        cells = [
            f"{record.partition}/{record.offset}",
            _time(record.timestamp_ms),
            source,
            ours.stage,
            ours.reason,
            str(letter.replays),
            last[:SHOWN_CHARACTERS],
        ]
        self._table.add_row(*(Text(printable(cell)) for cell in cells))

    def rendered(self) -> Group:
        """The letters, what was left out of them, and the counts."""
        total = self._counts.total()
        counts = Table("source topic", "stage", "reason", "letters")
        for (topic, stage, reason), count in self._counts.most_common():
            counts.add_row(Text(printable(topic)), stage, reason, f"{count:,}")
        more = total - self._limit
        note = f"the first {self._limit:,} of {total:,} letters" if more > 0 else f"{total:,} letters"
        return Group(self._table, Text(note), counts) if total else Group(Text("no letters"))


def report_lines(report: Report, *, rehearsed: bool) -> list[str]:
    """What was, or would be, sent back; and what was left, with why."""
    verb = "would be sent back" if rehearsed else "sent back"
    lines = [f"{report.sent.total():,} {verb}"]
    lines += [f"  {count:,} to {printable(topic)}: {reason}" for (topic, reason), count in sorted(report.sent.items())]
    lines += [f"{count:,} left: {left}" for left, count in report.left.most_common()]
    return lines


def report_json(report: Report, *, rehearsed: bool) -> str:
    """The same for programs."""
    sent = [
        {"topic": topic, "reason": reason, "count": count} for (topic, reason), count in sorted(report.sent.items())
    ]
    left = {each.name.lower(): count for each, count in report.left.items()}
    return json.dumps({"executed": not rehearsed, "finished": report.finished, "sent": sent, "left": left})


def _time(timestamp_ms: int) -> str:
    if not 0 <= timestamp_ms < YEAR_10000_MS:
        return "-"
    return datetime.fromtimestamp(timestamp_ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _bytes(value: bytes | None) -> str | dict[str, str] | None:
    if value is None:
        return None
    try:
        return value.decode()
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(value).decode()}
