from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.dead_letter import DeadReason
from tests.unit.dead_letters.topic import LetterTopic, MemoryReturner, letter
from worker.dead_letters.letters import Left, Selection
from worker.dead_letters.ports import Return
from worker.dead_letters.replaying import Plan, Rehearsal, Replay, Report
from worker.errors import OutcomeUnknown, PublishFailed
from worker.records import Record
from worker.testing import FakeClock, Fault

ALL = Selection()
EMPTY = Selection(reasons=frozenset({DeadReason.EMPTY_TEXT}))
TOPICS = frozenset({"texts"})


def run(
    topic: LetterTopic,
    plan: Plan,
    *faults: Fault,
    returner: Rehearsal | None = None,
    clock: FakeClock | None = None,
    stop_after: int | None = None,
) -> Report:
    clock = clock or FakeClock()
    return Replay(
        plan,
        reader=topic.reader(),
        returner=returner or topic.returner(*faults),
        clock=clock,
        sleep=clock.advance,
        stopped=lambda: stop_after is not None and len(topic.returned) >= stop_after,
    ).run()


def letters(count: int, *, partitions: int = 1) -> list[Record]:
    """Every third is an empty text, the others are no JSON; offsets have gaps, as transactions leave them."""
    reasons = [DeadReason.EMPTY_TEXT, DeadReason.INVALID_JSON, DeadReason.INVALID_JSON]
    return [
        letter(2 * (n // partitions), partition=n % partitions, reason=reasons[n % 3], value=str(n).encode())
        for n in range(count)
    ]


def values(returned: list[Return]) -> list[int]:
    return [int(each.value or b"-1") for each in returned]


def test_all_of_them_in_order() -> None:
    """Each once, to where it came from, and the second run has nothing to do."""
    topic = LetterTopic(letters(10))

    first, second = run(topic, Plan(ALL, TOPICS)), run(topic, Plan(ALL, TOPICS))

    assert list(range(10)) == values(topic.returned)
    assert {("texts", 0, b"key")} == {(each.topic, each.partition, each.key) for each in topic.returned}
    assert (10, 0, True, True) == (first.sent.total(), second.sent.total(), first.finished, second.finished)


@given(
    plans=st.lists(
        st.builds(
            Plan,
            selection=st.builds(
                Selection,
                reasons=st.sets(st.sampled_from([DeadReason.EMPTY_TEXT, DeadReason.INVALID_JSON])).map(frozenset),
            ),
            topics=st.just(TOPICS),
            rate=st.sampled_from([None, 2.0]),
            limit=st.sampled_from([None, 1, 4]),
        ),
        max_size=5,
    ),
    faults=st.lists(st.sampled_from([Fault.NONE, Fault.FAILS, Fault.UNKNOWN_COMMITTED, Fault.UNKNOWN_ABORTED])),
    stop_after=st.sampled_from([None, 1, 3, 8]),
)
def test_whatever_happens_each_is_sent_once(plans: list[Plan], faults: list[Fault], stop_after: int | None) -> None:
    """Filters in any order, limits, failures, lost answers and stops: in the end each letter came back once."""
    topic = LetterTopic(letters(12, partitions=2))
    counted = 0
    for plan in plans:
        try:
            counted += run(topic, plan, *faults, stop_after=stop_after).sent.total()
        except (PublishFailed, OutcomeUnknown):
            counted = -1
            break
    counts = (counted, len(topic.returned))

    run(topic, Plan(ALL, TOPICS))

    assert list(range(12)) == sorted(values(topic.returned))
    assert counts[0] in (-1, counts[1])


def test_filters_leave_the_rest_for_later() -> None:
    """What was sent out of order is remembered; the order within a partition is that of the topic."""
    topic = LetterTopic(letters(9))

    run(topic, Plan(EMPTY, TOPICS))
    run(topic, Plan(ALL, TOPICS))

    assert [0, 3, 6, 1, 2, 4, 5, 7, 8] == values(topic.returned)


def test_a_rehearsal_sends_nothing() -> None:
    """It counts what would be sent, and what would be left and why."""
    strange = Record("dead", 0, 100, 0, None, b"", ())
    records = [
        *letters(6),
        strange,
        letter(102, source="elsewhere"),
        letter(104, value=None, omitted_bytes=5_000_000),
        letter(106, value=b"x" * 2_000),
        letter(108, reason=DeadReason.NULL_VALUE),
    ]
    topic = LetterTopic(records)
    asked = Selection(reasons=frozenset({DeadReason.EMPTY_TEXT, DeadReason.INVALID_JSON}))

    report = run(topic, Plan(asked, TOPICS), returner=Rehearsal(MemoryReturner(topic, iter(()), 1_000).takes))

    assert {("texts", DeadReason.EMPTY_TEXT): 2, ("texts", DeadReason.INVALID_JSON): 4} == report.sent
    assert dict.fromkeys(Left, 1) == report.left
    assert ([], {}) == (topic.returned, topic.committed)


def test_the_rate_is_kept() -> None:
    """At most so many a second, and no wait after the last."""
    topic, clock = LetterTopic(letters(10)), FakeClock()
    began = clock.monotonic()

    run(topic, Plan(ALL, TOPICS, rate=2.0), clock=clock)

    assert 4.0 == pytest.approx(clock.monotonic() - began)
    assert 10 == len(topic.returned)


def test_the_limit_is_exact() -> None:
    """The next run goes on behind it."""
    topic = LetterTopic(letters(10))

    run(topic, Plan(ALL, TOPICS, limit=4))
    run(topic, Plan(ALL, TOPICS, limit=4))

    assert list(range(8)) == values(topic.returned)


def test_a_stop_is_not_a_finish() -> None:
    """What is in hand and not sent stays for the next run."""
    topic = LetterTopic(letters(10))

    stopped = run(topic, Plan(ALL, TOPICS, rate=2.0), stop_after=3)
    finished = run(topic, Plan(ALL, TOPICS))

    assert (4, False) == (stopped.sent.total(), stopped.finished)
    assert (6, True) == (finished.sent.total(), finished.finished)
    assert list(range(10)) == values(topic.returned)


def test_what_goes_on_failing_is_told() -> None:
    """After five failures in a row without anything sent."""
    topic = LetterTopic(letters(3))

    with pytest.raises(PublishFailed):
        run(topic, Plan(ALL, TOPICS), *[Fault.FAILS] * 5)

    assert (5, []) == (topic.prepared, topic.returned)
