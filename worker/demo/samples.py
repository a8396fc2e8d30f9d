"""A few outcomes of each kind to look at, and how they are laid out as text. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from worker.demo.outcomes import DeadLetter, Outcome
from worker.records import Destination

SHORT = 60
Details = tuple[str, ...]


@dataclass
class Samples:
    """The first outcomes of each kind, as different from one another as the run has them (labels, reasons)."""

    each: int
    _distinct: dict[Destination, dict[Details, Outcome]] = field(default_factory=dict)
    _others: dict[Destination, list[Outcome]] = field(default_factory=dict)

    def watching(self, outcomes: Iterable[Outcome]) -> Iterator[Outcome]:
        """The same outcomes; those worth showing are kept."""
        for outcome in outcomes:
            self._look(outcome)
            yield outcome

    def of(self, destination: Destination) -> list[Outcome]:
        """At most `each`, different ones first."""
        distinct = self._distinct.get(destination, {})
        return [*distinct.values(), *self._others.get(destination, [])][: self.each]

    def _look(self, outcome: Outcome) -> None:
        distinct = self._distinct.setdefault(outcome.destination, {})
        others = self._others.setdefault(outcome.destination, [])
        details = _details(outcome)
        if details not in distinct and len(distinct) < self.each:
            distinct[details] = outcome
        elif len(others) < self.each:
            others.append(outcome)


def laid_out(value: Any, *, width: int, indent: int = 0, taken: int = 0) -> str:
    """JSON in lines of `width` where that can be: what fits stays on one line, plain members share lines."""
    flat = json.dumps(value, ensure_ascii=False)
    if not isinstance(value, dict | list) or not value or taken + len(flat) <= width:
        return flat
    inner = indent + 2
    members = value.items() if isinstance(value, dict) else ((None, each) for each in value)
    parts = []
    for key, each in members:
        start = "" if key is None else f"{json.dumps(key, ensure_ascii=False)}: "
        parts.append(start + laid_out(each, width=width, indent=inner, taken=inner + len(start) + 1))
    nested = any(isinstance(each, dict | list) for each in (value.values() if isinstance(value, dict) else value))
    lines = [f"{part}," for part in parts] if nested else _filled(parts, width=width - inner)
    opening, closing = "{}" if isinstance(value, dict) else "[]"
    body = "\n".join(" " * inner + line for line in lines).removesuffix(",")
    return f"{opening}\n{body}\n{' ' * indent}{closing}"


def _filled(parts: Iterable[str], *, width: int) -> list[str]:
    """The parts with a comma behind each, as many to a line as fit."""
    lines: list[str] = []
    for part in parts:
        if lines and len(lines[-1]) + len(part) + 2 <= width:
            lines[-1] += f" {part},"
        else:
            lines.append(f"{part},")
    return lines


def shortened(value: bytes | None, *, length: int = SHORT) -> str:
    """Bytes as Python writes them, cut; a null as `null`."""
    if value is None:
        return "null"
    return repr(value) if len(value) <= length else f"{value[:length]!r}… ({len(value):,} bytes)"


def _details(outcome: Outcome) -> Details:
    content = outcome.content
    return (content.reason,) if isinstance(content, DeadLetter) else content.labels
