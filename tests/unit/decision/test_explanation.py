"""Policies in plain words."""

from __future__ import annotations

import pytest

from schemas.examples import PER_LABEL_POLICY, POLICY
from schemas.policy import AuditStratum, DriftBin, DriftCheck, TextRules
from schemas.review import Reason
from tests.unit.decision.cases import argmax, per_label, policy
from worker.decision.explanation import explain


def test_the_promise_is_a_sentence() -> None:
    """With its probability, its target, and what it depends on."""
    said = explain(POLICY)

    assert said.promise.startswith("With probability 0.9 over calibration sets, of the accepted answers at most 5 %")
    assert "live texts are like those" in said.promise
    assert "1,000 labelled texts by learn then test" in said.basis
    assert "94.1 % of them are accepted" in said.basis


def test_no_promise_is_said_too() -> None:
    """Nobody should think that there is one."""
    assert "Nothing is promised" in explain(PER_LABEL_POLICY).promise


def test_every_rule_has_its_reason() -> None:
    """Single-label: whatever can send a text to review is listed, in the order of the reasons."""
    everything = policy(
        argmax(0.6, min_margin=0.1, watched_labels=["fear"]),
        text=TextRules(min_content_tokens=2, max_surprise=2.5, false_alarm_rate=0.01, accept_truncated=False),
        drift=DriftCheck(
            bins=(DriftBin(confidence_below=1.0, share=1.0, least=1.0, most=1.0),),
            false_alarms_per_day=0.01,
            void_guarantee=True,
        ),
        audit=(AuditStratum(confidence_below=1.0, rate=0.05),),
    )

    said = explain(everything)

    assert [
        Reason.LOW_CONFIDENCE,
        Reason.SMALL_MARGIN,
        Reason.WATCHED_LABEL,
        Reason.OUT_OF_DOMAIN,
        Reason.TOO_SHORT,
        Reason.TRUNCATED,
        Reason.GUARANTEE_VOID,
        Reason.AUDIT_SAMPLE,
    ] == [check.reason for check in said.checks]
    assert 2 == len(said.notes)


def test_a_threshold_on_the_energy_is_also_told_in_logits() -> None:
    """What the confidence is, and which log-sum-exp the threshold stands for."""
    said = explain(policy(argmax(0.75, score="energy")))

    assert "log-sum-exp E of the model's logits" in said.answers
    assert "the confidence is below 0.75 (E below 1)" == said.checks[0].when


def test_every_rule_of_several_labels_has_its_reason() -> None:
    """Multi-label, with three zones."""
    rule = per_label(
        0.5, 0.4, None, off_below={"joy": 0.2}, max_labels=2, exclusive_labels=["joy"], watched_labels=["anger"],
        min_confidence=0.3,
    )  # fmt: skip

    said = explain(policy(rule))

    assert [
        Reason.LOW_CONFIDENCE,
        Reason.NO_LABEL,
        Reason.UNCERTAIN_LABEL,
        Reason.TOO_MANY_LABELS,
        Reason.CONTRADICTION,
        Reason.WATCHED_LABEL,
    ] == [check.reason for check in said.checks]
    assert [(0.5, 0.2), (0.4, None), (None, None)] == [(line.on, line.off) for line in said.labels]


@pytest.mark.parametrize("groups", [None, {"good": ("joy",), "bad": ("anger", "fear")}])
def test_labels_are_what_the_policy_answers_with(groups: dict[str, tuple[str, ...]] | None) -> None:
    """Groups, where there are some."""
    said = explain(policy(argmax(0.6), groups=groups))

    assert list(groups or ("joy", "anger", "fear")) == [line.label for line in said.labels]
    assert ("good: joy; bad: anger, fear" in said.answers) is (groups is not None)
