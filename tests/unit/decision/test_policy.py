from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from schemas.policy import Guarantee, PolicyEngine, PolicyModel, Scaling
from tests.unit.decision.cases import LABELS, argmax, model, per_label, policy, scores
from worker.decision.evidence import Evidence
from worker.decision.policy import reference, rule_for
from worker.errors import PolicyError
from worker.records import Outcome, Task

GUARANTEE = Guarantee(method="sgr", target_risk=0.05, confidence=0.9, calibration_size=100, coverage=0.9, bound=0.05)


def test_without_a_policy_multi_label_takes_the_labels_at_one_half_above_min_confidence() -> None:
    """The default rule of a multi-label model."""
    rule = rule_for(model(Task.MULTI_LABEL), None, min_confidence=0.7)

    decisions = rule.decide(scores((0.8, 0.5, 0.1), (0.6, 0.1, 0.1), (0.4, 0.1, 0.1)))

    assert [("joy", "anger"), ("joy",), ()] == [decision.labels for decision in decisions]
    assert [(), ("low_confidence",), ("no_label",)] == [decision.reasons for decision in decisions]


def test_a_policy_overrides_min_confidence() -> None:
    """min_confidence is for decisions without any policy."""
    assert (
        Outcome.ACCEPTED is rule_for(model(), policy(), min_confidence=0.99).decide(scores((0.7, 0.2, 0.1)))[0].outcome
    )


def test_events_say_what_decided() -> None:
    """The policy's id, threshold, promise, and whether it changed the scores."""
    chosen = policy(argmax(0.6), temperature=1.3, guarantee=GUARANTEE)

    said = reference(chosen, rule_for(model(), chosen, min_confidence=0))

    assert said is not None
    assert said["id"].startswith("sha256:")
    assert (0.6, True) == (said["threshold"], said["calibrated"])
    assert {"target_risk": 0.05, "confidence": 0.9, "risk": "selective_risk", "stands": True} == said["guarantee"]


@pytest.mark.parametrize(
    ("changed", "running", "says"),
    [
        ({}, model(revision="sha256:b"), "belongs to builtin:emotion at sha256:a"),
        ({}, model(name="builtin:ekman"), "the model is builtin:ekman at"),
        ({"labels": ("joy", "fear", "anger")}, model(), "labels are not those"),
        ({"rule": per_label(0.5, 0.5, 0.5), "task": Task.MULTI_LABEL}, model(), "is for multi_label models"),
        ({}, model(precision="int8"), "calibrated at precision float32"),
        ({"engine": PolicyEngine(backend="openvino", precision="int8")}, model(), "calibrated at precision int8"),
    ],
)
def test_a_policy_of_another_model_is_refused(changed: dict[str, Any], running: Any, says: str) -> None:
    """Model, content, labels, task and kind of engine must be those the policy was made for."""
    with pytest.raises(PolicyError, match=says):
        rule_for(running, policy(**changed), min_confidence=0.5)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_policy_for_another_float_precision_is_accepted(precision: str) -> None:
    """float32 and bfloat16 agree closely enough; only int8 moves probabilities."""
    assert rule_for(model(precision=precision), policy(), min_confidence=0.5)


def test_a_folder_may_lie_elsewhere() -> None:
    """Its content says whether it is the same model, not its path; a Hub model is also known by its name."""
    moved = policy(model=PolicyModel(name="/trained/here", revision="sha256:a"))
    hub = policy(model=PolicyModel(name="somebody/model", revision="0123abc"))

    assert rule_for(model(name="./model"), moved, min_confidence=0.5)
    with pytest.raises(PolicyError, match="belongs to somebody/model"):
        rule_for(model(name="other/model", revision="0123abc"), hub, min_confidence=0.5)


def test_decisions_are_made_from_calibrated_scores_and_given_with_them() -> None:
    """The confidence of an event is one of its scores."""
    decider = rule_for(model(), policy(argmax(0.0), temperature=2.0), min_confidence=0)
    evidence = Evidence(scores((0.9, 0.07, 0.03)), [np.zeros(1, np.int32)], np.zeros(1, np.bool_))

    decided = decider.decide_wave(evidence)

    assert pytest.approx(decided.scores[0].max()) == decided.decisions[0].confidence
    assert decided.scores[0].max() < 0.9


def test_labels_are_scaled_each_for_itself() -> None:
    """A label that is shifted up is given where it was not."""
    scaling = {label: Scaling(slope=1.0, shift=2.0 if label == "fear" else 0.0) for label in LABELS}
    decider = rule_for(
        model(Task.MULTI_LABEL), policy(per_label(0.5, 0.5, 0.5), label_scaling=scaling), min_confidence=0
    )

    assert ("fear",) == decider.decide(scores((0.3, 0.3, 0.3)))[0].labels


@pytest.mark.parametrize("task", list(Task))
def test_groups_are_answered_instead_of_labels(task: Task) -> None:
    """Their thresholds and answers carry the groups' names; the scores stay those of the labels."""
    rule = (
        argmax(0.5)
        if task is Task.SINGLE_LABEL
        else per_label(0.5, 0.5, 0.5).model_copy(update={"thresholds": {"good": 0.5, "bad": 0.5}})
    )
    chosen = policy(rule, groups={"good": ("joy",), "bad": ("anger", "fear")})
    decider = rule_for(model(task), chosen, min_confidence=0)
    evidence = Evidence(scores((0.4, 0.35, 0.25)), [np.zeros(1, np.int32)], np.zeros(1, np.bool_))

    decided = decider.decide_wave(evidence)

    assert ("bad",) == decided.decisions[0].labels
    assert (1, 3) == decided.scores.shape


def test_a_seen_and_an_unseen_label_are_decided_alike() -> None:
    """A label without any calibration example has the common threshold."""
    decider = rule_for(model(), policy(argmax(0.6, thresholds={"joy": 0.7})), min_confidence=0)

    assert ("fear",) == decider.decide(scores((0.1, 0.2, 0.7)))[0].labels
