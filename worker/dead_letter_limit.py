"""The dead-letter limit: when so many records are bad that the fault is not theirs.

Owned by the publishing thread, asked before a wave is published: the wave that would exceed the limit is neither
published nor committed, so that a restart finds the evidence where it was.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from worker.errors import DeadLetterLimitExceeded


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
                    "topic, mend the producer or input.format, then start again"
                )

    def add(self, deaths: Sequence[bool]) -> None:
        """The records were published."""
        self._recent.extend(deaths)
