"""The dead-letter limit: when so many records are bad that the fault is not theirs.

Owned by the publishing thread, asked before a wave is published: the wave that would exceed the limit is neither
published nor committed, so that a restart finds the evidence where it was. What was counted before is noted with the
committed offsets: a worker that is started again and again does not let some more through each time.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from worker.errors import DeadLetterLimitExceeded

REMEMBERED_FOR_S = 3600
"""Older notes are those of partitions that have long been idle, or of faults that somebody has seen to."""

_NOTE = re.compile(r"dead-letters=(\d{1,9})/(\d{1,9}) at=(\d{1,12})")


@dataclass(frozen=True, slots=True)
class DeadLetterPolicy:
    """Stop when more than `max_ratio` x `window` of the last `window` records are dead."""

    max_ratio: float
    window: int


class DeadLetterLimit:
    """The last `window` published records; records not seen yet count as good, so that a start is no alarm."""

    def __init__(self, policy: DeadLetterPolicy) -> None:
        self._policy = policy
        self._recent: deque[bool] = deque(maxlen=policy.window)

    def resume(self, note: str, *, now: float) -> None:
        """Go on from what `note` said, if that is of late and worse than what was seen. `now`: seconds since 1970."""
        found = _NOTE.fullmatch(note)
        if found is None:
            return
        dead, seen, at = (int(number) for number in found.groups())
        if now - at <= REMEMBERED_FOR_S and dead > sum(self._recent):
            window = self._policy.window
            self._recent.extend([False] * min(seen - dead, window) + [True] * min(dead, window))

    def check(self, deaths: Sequence[bool]) -> None:
        """Raise DeadLetterLimitExceeded if publishing records with these fates would exceed the limit at any point."""
        allowed = self._policy.max_ratio * self._policy.window
        recent = deque(self._recent, maxlen=self._policy.window)
        dead = sum(recent)
        for death in deaths:
            if len(recent) == self._policy.window:
                dead -= recent[0]
            recent.append(death)
            dead += death
            if dead > allowed:
                raise DeadLetterLimitExceeded(
                    f"{dead} of the last {self._policy.window} records are bad, more than dead_letter.max_ratio "
                    f"{self._policy.max_ratio:g} allows: stopped without committing them; look at the dead-letter "
                    "topic, mend the producer or input.format, then start again, with a larger dead_letter.max_ratio "
                    "until the bad ones are through"
                )

    def note(self, deaths: Sequence[bool], *, now: float) -> str:
        """What to commit with these records: what was counted when they are published; empty when none is dead."""
        recent = deque(self._recent, maxlen=self._policy.window)
        recent.extend(deaths)
        dead = sum(recent)
        return f"dead-letters={dead}/{len(recent)} at={int(now)}" if dead else ""

    def add(self, deaths: Sequence[bool]) -> None:
        """The records were published."""
        self._recent.extend(deaths)
