"""The demo's check: it must pass what is right, and find whatever is wrong."""

from __future__ import annotations

from tests.unit.demo.events import BAD, GOOD, dead, enriched, reviewed
from worker.demo.check import Verdict, check
from worker.demo.messages import Message
from worker.demo.outcomes import Outcome
from worker.errors import DeadReason
from worker.records import Destination

SENT = {(0, 0): GOOD, (0, 1): BAD, (0, 2): GOOD, (1, 0): GOOD}
RIGHT = [enriched((0, 0)), dead((0, 1)), reviewed((0, 2)), enriched((1, 0))]


def judged(outcomes: list[Outcome], *, exactly_once: bool = True) -> Verdict:
    return check(SENT, outcomes, exactly_once=exactly_once)


def test_one_outcome_each_is_good() -> None:
    """Accepted, abstained and dead, each message once."""
    verdict = judged(RIGHT)

    assert verdict.good
    assert verdict.each_has_its_outcome
    assert {Destination.OUTPUT: 2, Destination.REVIEW: 1, Destination.DEAD_LETTER: 1} == verdict.outcomes


def test_a_lost_message_is_found() -> None:
    """A message without any outcome."""
    verdict = judged(RIGHT[:-1])

    assert ((1, 0),) == verdict.lost
    assert not verdict.good


def test_nothing_at_all_is_all_lost() -> None:
    """A worker that wrote nothing."""
    verdict = judged([])

    assert tuple(SENT) == verdict.lost
    assert not verdict.good


def test_a_repeat_is_found() -> None:
    """Two outcomes of one message, in one topic or in two."""
    same_topic = judged([*RIGHT, enriched((1, 0))])
    other_topic = judged([*RIGHT, reviewed((1, 0))])

    assert ((1, 0),) == same_topic.repeated == other_topic.repeated
    assert not same_topic.good
    assert not other_topic.good


def test_at_least_once_allows_repeats_and_no_loss() -> None:
    """What the embedded broker can promise."""
    assert judged([*RIGHT, *RIGHT], exactly_once=False).good
    assert not judged(RIGHT[1:], exactly_once=False).good


def test_an_outcome_of_nothing_is_found() -> None:
    """An event whose message was never sent."""
    verdict = judged([*RIGHT, enriched((3, 7))])

    assert ((3, 7),) == verdict.unsent
    assert not verdict.good


def test_an_outcome_behind_a_later_one_is_found() -> None:
    """Order is kept for each input partition in each topic."""
    verdict = judged([enriched((0, 2)), enriched((0, 0)), dead((0, 1)), enriched((1, 0))])

    assert ((0, 0),) == verdict.misordered
    assert not verdict.good


def test_order_between_partitions_and_topics_is_free() -> None:
    """Nothing is promised across input partitions, outgoing topics or their partitions."""
    elsewhere = [enriched((1, 0)), enriched((0, 2), at=(1, 0)), dead((0, 1)), enriched((0, 0))]

    assert judged(elsewhere).misordered == ()


def test_repeats_do_not_disturb_the_order() -> None:
    """After a restart at-least-once goes back; the first outcome of each message counts."""
    verdict = judged([enriched((0, 0)), enriched((0, 2)), enriched((0, 0)), dead((0, 1)), enriched((1, 0))])

    assert verdict.misordered == ()


def test_a_bad_message_with_an_event_is_found() -> None:
    """Its payload could not have been read."""
    as_event = enriched((0, 1), Message(BAD.key, b'{"text":"made up"}'))

    verdict = judged([RIGHT[0], as_event, *RIGHT[2:]])

    assert ((0, 1),) == verdict.misjudged
    assert not verdict.good


def test_a_good_message_in_the_dead_letters_is_found() -> None:
    """Nothing is wrong with it."""
    verdict = judged([dead((0, 0), GOOD), *RIGHT[1:]])

    assert ((0, 0),) == verdict.misjudged
    assert not verdict.good


def test_a_dead_letter_with_another_reason_is_found() -> None:
    """Dead, but not for what is wrong with it."""
    verdict = judged([RIGHT[0], dead((0, 1), reason=DeadReason.MISSING_TEXT), *RIGHT[2:]])

    assert ((0, 1),) == verdict.misjudged


def test_a_changed_payload_is_found() -> None:
    """The event carries another text than was sent."""
    verdict = judged([enriched((0, 0), Message(GOOD.key, b'{"id":1,"text":"changed"}')), *RIGHT[1:]])

    assert ((0, 0),) == verdict.altered
    assert not verdict.good


def test_a_changed_key_is_found() -> None:
    """The key decides where later messages of that user go."""
    verdict = judged([enriched((0, 0), Message(b"user-9", GOOD.value)), *RIGHT[1:]])

    assert ((0, 0),) == verdict.altered


def test_a_dead_letter_that_is_not_byte_for_byte_is_found() -> None:
    """Replay would send something else."""
    verdict = judged([RIGHT[0], dead((0, 1), value=b"not  JSON"), *RIGHT[2:]])

    assert ((0, 1),) == verdict.altered
