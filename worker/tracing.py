"""What is told of a wave's way to whoever traces it (worker.observability.otlp), and the tracing that is off.

Moments are those of the worker's monotonic clock, in seconds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from worker.records import Header, Record


class WaveTrace(Protocol):
    """One wave's trace, from its first record until it is published or dropped. Handed on from thread to thread."""

    @property
    def headers(self) -> Sequence[Header]:
        """What the wave's events carry (`traceparent`) instead of what their records came with; empty: nothing."""
        ...

    def reached(self, stage: str, at: float) -> None:
        """The wave got there."""
        ...

    def published(self, at: float, facts: Mapping[str, int | str]) -> None:
        """The wave is durably published; the trace is over."""
        ...

    def dropped(self, reason: str) -> None:
        """The wave will be read again; the trace is over."""
        ...


class Tracing(Protocol):
    """Makes one trace for each wave."""

    def begin(self, records: Sequence[Record], *, at: float) -> WaveTrace:
        """`at`: when the first of the wave's records was in hand."""
        ...

    def close(self) -> None:
        """Send what is left. Blocks for a few seconds at most, never raises."""
        ...


class Untraced:
    """Tracing that is off, and each of its traces."""

    headers: Sequence[Header] = ()

    def begin(self, records: Sequence[Record], *, at: float) -> WaveTrace:  # noqa: ARG002 (the signature is the port's)
        return self

    def reached(self, stage: str, at: float) -> None:
        """Nobody asked."""

    def published(self, at: float, facts: Mapping[str, int | str]) -> None:
        """Nobody asked."""

    def dropped(self, reason: str) -> None:
        """Nobody asked."""

    def close(self) -> None:
        """Nothing is left."""


UNTRACED = Untraced()
