from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.policy import ArgmaxRule, PerLabelThresholdsRule, Policy, PolicyEngine, PolicyModel
from worker.decision.audit import sampled
from worker.decision.calibration import tempered
from worker.decision.multi_label import PerLabelThresholds
from worker.decision.policy import reference, rule_for
from worker.decision.single_label import MostLikely
from worker.errors import PolicyError
from worker.records import Decision, ModelInfo, Outcome, Task

LABELS = ("joy", "anger", "fear")


def scores(*rows: tuple[float, ...]) -> np.ndarray:
    return np.array(rows, dtype=np.float32)


def model(task: Task = Task.SINGLE_LABEL, *, revision: str = "sha256:a", precision: str = "float32") -> ModelInfo:
    return ModelInfo("builtin:emotion", revision, task, LABELS, 128, "openvino", precision, "cpu")


def policy(**changes: object) -> Policy:
    values: dict[str, object] = {
        "schema_": "emostream.policy/1",
        "model": PolicyModel(name="builtin:emotion", revision="sha256:a"),
        "engine": PolicyEngine(backend="openvino", precision="float32"),
        "task": Task.SINGLE_LABEL,
        "labels": LABELS,
        "temperature": 1.0,
        "rule": ArgmaxRule(min_confidence=0.6),
        "created_at": datetime(2026, 1, 1, tzinfo=UTC),
    }
    return Policy.model_validate({"schema": values.pop("schema_"), **values, **changes})


def test_the_most_likely_label_is_accepted_from_the_threshold_on() -> None:
    """At the threshold exactly, the label is accepted; below it, abstained with the reason."""
    rule = MostLikely(LABELS, 0.5)

    decisions = rule.decide(scores((0.5, 0.3, 0.2), (0.2, 0.45, 0.35)))

    assert decisions == [
        Decision(Outcome.ACCEPTED, ("joy",), pytest.approx(0.5)),
        Decision(Outcome.ABSTAINED, ("anger",), pytest.approx(0.45), ("low_confidence",)),
    ]


def test_a_tie_goes_to_the_first_label() -> None:
    """Decisions are deterministic."""
    assert MostLikely(LABELS, 0.0).decide(scores((0.4, 0.4, 0.2)))[0].labels == ("joy",)


def test_one_label_alone_is_decided() -> None:
    """A model with one label works like any other."""
    assert MostLikely(("only",), 0.5).decide(scores((1.0,)))[0].labels == ("only",)


def test_no_texts_make_no_decisions() -> None:
    """An empty wave is fine."""
    empty = np.empty((0, 3), np.float32)

    assert MostLikely(LABELS, 0.5).decide(empty) == []
    assert PerLabelThresholds(LABELS, (0.5, 0.5, 0.5)).decide(empty) == []


def test_each_label_has_its_own_threshold() -> None:
    """Labels come most likely first; none at all abstains."""
    rule = PerLabelThresholds(LABELS, (0.2, 0.9, 0.5))

    decisions = rule.decide(scores((0.3, 0.8, 0.6), (0.1, 0.8, 0.4)))

    assert decisions == [
        Decision(Outcome.ACCEPTED, ("fear", "joy"), pytest.approx(0.8)),
        Decision(Outcome.ABSTAINED, (), pytest.approx(0.8), ("no_label",)),
    ]


def test_without_a_policy_multi_label_takes_the_labels_at_one_half_above_min_confidence() -> None:
    """The default rule of a multi-label model."""
    rule = rule_for(model(Task.MULTI_LABEL), None, min_confidence=0.7)

    decisions = rule.decide(scores((0.8, 0.5, 0.1), (0.6, 0.1, 0.1), (0.4, 0.1, 0.1)))

    assert [decision.labels for decision in decisions] == [("joy", "anger"), ("joy",), ()]
    assert [decision.reasons for decision in decisions] == [(), ("low_confidence",), ("no_label",)]


def test_a_policy_overrides_min_confidence() -> None:
    """min_confidence is for decisions without any policy."""
    rule = rule_for(model(), policy(), min_confidence=0.99)

    assert rule.decide(scores((0.7, 0.2, 0.1)))[0].outcome is Outcome.ACCEPTED
    assert reference(policy(), rule) == {
        "id": reference(policy(), rule)["id"],  # type: ignore[index]
        "threshold": 0.6,
        "guarantee": None,
    }


@pytest.mark.parametrize(
    ("changed", "running", "says"),
    [
        ({}, model(revision="sha256:b"), "belongs to builtin:emotion at sha256:a"),
        ({"labels": ("joy", "fear", "anger")}, model(), "labels are not those"),
        (
            {
                "task": Task.MULTI_LABEL,
                "rule": PerLabelThresholdsRule(thresholds=dict.fromkeys(LABELS, 0.5)),
            },
            model(),
            "is for multi_label models",
        ),
        ({}, model(precision="int8"), "calibrated at precision float32"),
        ({"engine": PolicyEngine(backend="openvino", precision="int8")}, model(), "calibrated at precision int8"),
    ],
)
def test_a_policy_of_another_model_is_refused(changed: dict[str, object], running: ModelInfo, says: str) -> None:
    """Model content, labels, task and kind of engine must be those the policy was made for."""
    with pytest.raises(PolicyError, match=says):
        rule_for(running, policy(**changed), min_confidence=0.5)


def test_a_policy_for_another_float_precision_is_accepted() -> None:
    """float32 and bfloat16 agree closely enough; only int8 moves probabilities."""
    assert rule_for(model(precision="bfloat16"), policy(), min_confidence=0.5)


@pytest.mark.parametrize("task", list(Task))
def test_temperature_flattens_without_changing_the_order(task: Task) -> None:
    """T > 1 moves probabilities to the middle, keeps their order, and extremes stay finite."""
    hot = tempered(scores((0.9, 0.07, 0.03), (1.0, 0.0, 0.0)), 2.0, task)

    assert hot[0, 0] < 0.9
    assert np.all(np.isfinite(hot))
    assert list(np.argsort(hot[0])) == [2, 1, 0]


def test_temperature_of_a_softmax_is_that_of_its_logits() -> None:
    """Scaling probabilities is the same as scaling the logits they came from."""
    logits = np.array([[2.0, -1.0, 0.5]])
    softmax = np.exp(logits) / np.exp(logits).sum()
    cooled = np.exp(logits / 1.7) / np.exp(logits / 1.7).sum()

    np.testing.assert_allclose(tempered(softmax, 1.7, Task.SINGLE_LABEL), cooled, atol=1e-6)


@given(rate=st.floats(0, 1), offset=st.integers(0, 10**12))
def test_the_audit_sample_is_stable(rate: float, offset: int) -> None:
    """The same record is chosen again when it is redone, and whoever is chosen stays chosen at a higher rate."""
    record_id = f"texts/0/{offset}"

    assert sampled(record_id, rate) == sampled(record_id, rate)
    assert not sampled(record_id, rate) or sampled(record_id, min(1.0, rate * 2))
    assert sampled(record_id, 1.0)
    assert not sampled(record_id, 0.0)


def test_the_audit_sample_has_the_share_asked_for() -> None:
    """One in ten of many records, within five standard deviations."""
    chosen = sum(sampled(f"texts/0/{offset}", 0.1) for offset in range(20_000))

    assert abs(chosen - 2_000) < 5 * (20_000 * 0.1 * 0.9) ** 0.5
