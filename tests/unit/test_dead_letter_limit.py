from __future__ import annotations

import pytest

from worker.dead_letter_limit import DeadLetterLimit, DeadLetterPolicy
from worker.errors import DeadLetterLimitExceeded


def test_a_few_bad_records_at_the_start_are_no_alarm() -> None:
    """Records not seen yet count as good."""
    limit = DeadLetterLimit(DeadLetterPolicy(max_ratio=0.5, window=10))

    limit.check([True] * 5)


def test_more_than_the_share_of_the_window_stops() -> None:
    """The limit is exceeded by the first record too many, before it is published."""
    limit = DeadLetterLimit(DeadLetterPolicy(max_ratio=0.5, window=10))
    limit.add([True] * 5)

    with pytest.raises(DeadLetterLimitExceeded, match="6 of the last 10 records are bad"):
        limit.check([True])


def test_old_records_leave_the_window() -> None:
    """Only the last `window` records count."""
    limit = DeadLetterLimit(DeadLetterPolicy(max_ratio=0.5, window=10))
    limit.add([True] * 5 + [False] * 10)

    limit.check([True] * 5)


def test_asking_does_not_count() -> None:
    """A wave that is redone is not counted twice."""
    limit = DeadLetterLimit(DeadLetterPolicy(max_ratio=0.5, window=10))

    for _ in range(10):
        limit.check([True] * 5)
