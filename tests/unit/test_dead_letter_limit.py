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


def test_a_restart_goes_on_counting() -> None:
    """What was noted with the committed records counts against those that follow."""
    before = DeadLetterLimit(DeadLetterPolicy(max_ratio=0.5, window=10))
    note = before.note([False] + [True] * 4, now=1000.0)
    after = DeadLetterLimit(DeadLetterPolicy(max_ratio=0.5, window=10))

    after.resume(note, now=1060.0)

    after.check([True])
    with pytest.raises(DeadLetterLimitExceeded):
        after.check([True, True])


def test_the_worst_of_several_partitions_counts() -> None:
    """A partition that another worker has committed meanwhile hides nothing."""
    limit = DeadLetterLimit(DeadLetterPolicy(max_ratio=0.5, window=10))

    for note in ("", "dead-letters=5/10 at=990", "dead-letters=1/10 at=1000"):
        limit.resume(note, now=1000.0)

    with pytest.raises(DeadLetterLimitExceeded):
        limit.check([True])


@pytest.mark.parametrize("note", ["", "somebody else's", "dead-letters=x/10 at=1000", "dead-letters=5/10 at=0"])
def test_what_says_nothing_of_late_is_no_evidence(note: str) -> None:
    """Other people's notes, damaged ones, and those of more than an hour ago."""
    limit = DeadLetterLimit(DeadLetterPolicy(max_ratio=0.5, window=10))

    limit.resume(note, now=100_000.0)

    limit.check([True] * 5)


def test_a_larger_ratio_lets_the_rest_through() -> None:
    """Whoever has looked at the letters raises the ratio and starts again."""
    limit = DeadLetterLimit(DeadLetterPolicy(max_ratio=1.0, window=10))

    limit.resume("dead-letters=5/10 at=1000", now=1000.0)

    limit.check([True] * 100)


def test_without_dead_letters_there_is_nothing_to_note() -> None:
    """A healthy stream commits offsets and nothing else."""
    assert DeadLetterLimit(DeadLetterPolicy(max_ratio=0.5, window=10)).note([False] * 5, now=1000.0) == ""
