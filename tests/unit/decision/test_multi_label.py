from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.unit.decision.cases import LABELS, per_label, scores
from worker.decision.multi_label import PerLabelThresholds
from worker.records import Decision, Outcome


def decide(rows: np.ndarray, *thresholds: float | None, **options: Any) -> list[Decision]:
    return PerLabelThresholds(LABELS, per_label(*thresholds, **options)).judge(rows).decisions()


def reasons(rows: np.ndarray, **options: Any) -> list[tuple[str, ...]]:
    return [decision.reasons for decision in decide(rows, 0.5, 0.5, 0.5, **options)]


def test_each_label_has_its_own_threshold() -> None:
    """Labels come most likely first; none at all abstains."""
    decisions = decide(scores((0.3, 0.8, 0.6), (0.1, 0.8, 0.4)), 0.2, 0.9, 0.5)

    assert decisions == [
        Decision(Outcome.ACCEPTED, ("fear", "joy"), pytest.approx(0.8)),
        Decision(Outcome.ABSTAINED, (), pytest.approx(0.8), ("no_label",)),
    ]


def test_a_score_at_the_threshold_is_on() -> None:
    """Thresholds are compared in the precision of the scores."""
    assert ("joy",) == decide(scores((0.41, 0.0, 0.0)), 0.41, 0.5, 0.5)[0].labels


def test_a_label_without_a_threshold_is_never_given() -> None:
    """However likely it is."""
    assert ("anger",) == decide(scores((1.0, 0.6, 0.0)), None, 0.5, 0.5)[0].labels


def test_no_texts_make_no_decisions() -> None:
    """An empty wave is fine."""
    assert [] == decide(np.empty((0, 3), np.float32), 0.5, 0.5, 0.5)


def test_scores_that_are_no_numbers_are_never_accepted() -> None:
    """No label is given for them."""
    assert [("no_label",), ("low_confidence",)] == reasons(scores((np.nan,) * 3, (0.9, np.nan, 0.1)))


def test_between_its_two_thresholds_a_label_is_unsure() -> None:
    """On and off are clear; between them a person looks, beside whatever else is on."""
    rows = scores((0.9, 0.1, 0.1), (0.9, 0.4, 0.1), (0.9, 0.5, 0.1), (0.9, 0.1, 0.4))

    assert [(), ("uncertain_label",), (), ()] == reasons(rows, off_below={"anger": 0.3})


def test_too_many_labels_abstain() -> None:
    """More than the policy allows for one text."""
    assert [("too_many_labels",), ()] == reasons(scores((0.9, 0.8, 0.7), (0.9, 0.8, 0.2)), max_labels=2)


def test_an_exclusive_label_contradicts_every_other() -> None:
    """Alone it is fine, and so are others without it."""
    rows = scores((0.9, 0.8, 0.1), (0.9, 0.1, 0.1), (0.1, 0.8, 0.8))

    assert [("contradiction",), (), ()] == reasons(rows, exclusive_labels=["joy"])


def test_a_watched_label_is_always_reviewed() -> None:
    """When it is given, alone or not."""
    rows = scores((0.9, 0.8, 0.1), (0.9, 0.4, 0.1))

    assert [("watched_label",), ()] == reasons(rows, watched_labels=["anger"])


@pytest.mark.parametrize(
    ("score", "confidence"), [("max_probability", 0.9), ("mean_emitted", 0.75), ("set_probability", 0.9 * 0.6 * 0.8)]
)
def test_confidence_is_the_score_the_policy_names(score: str, confidence: float) -> None:
    """An item's confidence, below which it abstains."""
    rows = scores((0.9, 0.6, 0.2))

    accepted, abstained = (
        decide(rows, 0.5, 0.5, 0.5, score=score, min_confidence=confidence + change)[0] for change in (-1e-4, 1e-4)
    )

    assert pytest.approx(confidence) == accepted.confidence
    assert [(), ("low_confidence",)] == [accepted.reasons, abstained.reasons]


def test_a_threshold_that_all_labels_share_is_stated() -> None:
    """Events say the threshold where there is just one."""
    shared, several = per_label(0.4, 0.4, 0.4), per_label(0.4, 0.4, None)

    assert 0.4 == PerLabelThresholds(LABELS, shared).threshold
    assert PerLabelThresholds(LABELS, several).threshold is None
