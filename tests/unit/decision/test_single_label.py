from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.unit.decision.cases import LABELS, argmax, scores
from worker.decision.single_label import MostLikely
from worker.records import Decision, Outcome


def decide(rows: np.ndarray, min_confidence: float = 0.5, **options: Any) -> list[Decision]:
    return MostLikely(LABELS, argmax(min_confidence, **options)).judge(rows).decisions()


def reasons(rows: np.ndarray, **options: Any) -> list[tuple[str, ...]]:
    return [decision.reasons for decision in decide(rows, 0.0, **options)]


def test_the_most_likely_label_is_accepted_from_the_threshold_on() -> None:
    """At the threshold exactly, the label is accepted; below it, abstained with the reason."""
    decisions = decide(scores((0.5, 0.3, 0.2), (0.2, 0.45, 0.35)))

    assert decisions == [
        Decision(Outcome.ACCEPTED, ("joy",), 0.5),
        Decision(Outcome.ABSTAINED, ("anger",), pytest.approx(0.45), ("low_confidence",)),
    ]


def test_a_tie_goes_to_the_first_label() -> None:
    """Decisions are deterministic."""
    assert ("joy",) == decide(scores((0.4, 0.4, 0.2)), 0.0)[0].labels


@pytest.mark.parametrize("score", ["max_probability", "margin", "entropy"])
def test_one_label_alone_is_decided(score: str) -> None:
    """A model with one label works like any other, and is always sure."""
    rule = MostLikely(("only",), argmax(0.99, score=score))

    assert [Decision(Outcome.ACCEPTED, ("only",), 1.0)] == rule.judge(scores((1.0,))).decisions()


def test_no_texts_make_no_decisions() -> None:
    """An empty wave is fine."""
    assert [] == decide(np.empty((0, 3), np.float32))


@pytest.mark.parametrize("score", ["max_probability", "margin", "entropy"])
def test_scores_that_are_no_numbers_are_never_accepted(score: str) -> None:
    """Not even without a threshold, and the event's confidence is a number."""
    decisions = decide(scores((np.nan, np.nan, np.nan), (0.9, np.nan, 0.1)), 0.0, score=score)

    assert [Outcome.ABSTAINED] * 2 == [decision.outcome for decision in decisions]
    assert [0.0, 0.0] == [decision.confidence for decision in decisions]


@pytest.mark.parametrize(("score", "confidence"), [("max_probability", 0.6), ("margin", 0.3), ("entropy", 0.1826)])
def test_confidence_is_the_score_the_policy_names(score: str, confidence: float) -> None:
    """Thresholds compare with it, and events state it."""
    decision = decide(scores((0.6, 0.3, 0.1)), 0.0, score=score)[0]

    assert pytest.approx(confidence, abs=1e-4) == decision.confidence


def test_the_energy_is_of_the_logits_and_within_the_bounds_of_a_confidence() -> None:
    """Thresholds compare with it, in the order of the log-sum-exp, however large that is."""
    rule = MostLikely(LABELS, argmax(0.5, score="energy"))

    decisions = rule.judge(scores(*[(0.6, 0.3, 0.1)] * 5), np.array([-1e4, -1.0, 0.0, 1.0, 1e4])).decisions()

    assert pytest.approx([0.0, 0.25, 0.5, 0.75, 1.0], abs=1e-4) == [each.confidence for each in decisions]
    assert [Outcome.ABSTAINED] * 2 + [Outcome.ACCEPTED] * 3 == [each.outcome for each in decisions]


@pytest.mark.parametrize("energy", [None, np.array([np.nan])])
def test_nothing_is_accepted_by_an_energy_that_is_not_known(energy: np.ndarray | None) -> None:
    """However sure the probabilities are, and without any threshold."""
    rule = MostLikely(LABELS, argmax(0.0, score="energy"))

    (decision,) = rule.judge(scores((1.0, 0.0, 0.0)), energy).decisions()

    assert (Outcome.ABSTAINED, 0.0) == (decision.outcome, decision.confidence)


def test_every_score_is_lowest_for_a_tie_of_all_and_highest_for_certainty() -> None:
    """Scores lie between 0 and 1, and the surest text has 1."""
    for score, lowest in (("max_probability", 1 / 3), ("margin", 0.0), ("entropy", 0.0)):
        even, sure = decide(scores((1 / 3, 1 / 3, 1 / 3), (0.0, 1.0, 0.0)), 0.0, score=score)

        assert pytest.approx((lowest, 1.0), abs=1e-6) == (even.confidence, sure.confidence)


def test_a_label_may_have_a_threshold_of_its_own() -> None:
    """The others keep the common one."""
    rows = scores((0.7, 0.2, 0.1), (0.1, 0.7, 0.2))

    outcomes = [decision.outcome for decision in decide(rows, 0.6, thresholds={"joy": 0.8})]

    assert [Outcome.ABSTAINED, Outcome.ACCEPTED] == outcomes


def test_a_small_margin_abstains() -> None:
    """However likely the best label is."""
    assert [("small_margin",), ()] == reasons(scores((0.5, 0.45, 0.05), (0.5, 0.3, 0.2)), min_margin=0.1)


def test_a_watched_label_is_always_reviewed() -> None:
    """Even when the model is sure."""
    assert [("watched_label",), ()] == reasons(scores((0.0, 0.0, 1.0), (1.0, 0.0, 0.0)), watched_labels=["fear"])


def test_reasons_come_most_important_first() -> None:
    """All that apply are given."""
    decision = decide(scores((0.4, 0.35, 0.25)), 0.5, min_margin=0.1, watched_labels=["joy"])[0]

    assert ("low_confidence", "small_margin", "watched_label") == decision.reasons


def test_a_label_of_doubt_is_answered_between_two() -> None:
    """Such a text is accepted under that label; the others are judged as usual."""
    rows = scores((0.42, 0.4, 0.18), (0.4, 0.3, 0.3), (0.9, 0.05, 0.05))

    decisions = decide(rows, 0.5, doubt_label={"label": "neutral", "margin": 0.05})

    assert [("neutral",), ("joy",), ("joy",)] == [decision.labels for decision in decisions]
    assert [(), ("low_confidence",), ()] == [decision.reasons for decision in decisions]


def test_one_threshold_is_stated_and_several_are_not() -> None:
    """Events say the threshold where there is just one."""
    assert 0.5 == MostLikely(LABELS, argmax(0.5)).threshold
    assert MostLikely(LABELS, argmax(0.5, thresholds={"joy": 0.8})).threshold is None
