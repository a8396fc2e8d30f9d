"""Chooses the rule: by the policy file when there is one, else by the task; refuses a policy of another model.

A policy is tied to the model's content, its labels and the kind of engine it was calibrated on, because its
thresholds mean nothing anywhere else.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from schemas.policy import ArgmaxRule, PerLabelThresholdsRule, Policy, policy_id
from worker.decision.calibration import tempered
from worker.decision.multi_label import PerLabelThresholds
from worker.decision.rules import Rule, Scores
from worker.decision.single_label import MostLikely
from worker.errors import PolicyError
from worker.records import Decision, ModelInfo, Task

MULTI_LABEL_THRESHOLD = 0.5
INTEGER_PRECISIONS = frozenset({"int8"})


@dataclass(frozen=True)
class Tempered:
    """A rule over temperature-scaled scores."""

    rule: Rule
    temperature: float
    task: Task

    @property
    def threshold(self) -> float | None:
        return self.rule.threshold

    def decide(self, scores: Scores) -> list[Decision]:
        return self.rule.decide(tempered(scores, self.temperature, self.task))


def rule_for(model: ModelInfo, policy: Policy | None, *, min_confidence: float) -> Rule:
    """The rule of `policy`; without one the most likely label, or every label at 0.5, above `min_confidence`.

    Raises PolicyError when the policy does not belong to this model or engine.
    """
    if policy is None:
        if model.task is Task.SINGLE_LABEL:
            return MostLikely(model.labels, min_confidence)
        return PerLabelThresholds(model.labels, (MULTI_LABEL_THRESHOLD,) * len(model.labels), min_confidence)
    _check_belongs(policy, model)
    rule = _rule_of(policy)
    return rule if policy.temperature == 1.0 else Tempered(rule, policy.temperature, policy.task)


def reference(policy: Policy | None, rule: Rule) -> Mapping[str, Any] | None:
    """What events say about the policy that decided: its id, its one threshold if it has one, its promise."""
    if policy is None:
        return None
    promise = policy.guarantee
    return {
        "id": policy_id(policy),
        "threshold": rule.threshold,
        "guarantee": promise and {"target_risk": promise.target_risk, "confidence": promise.confidence},
    }


def _rule_of(policy: Policy) -> Rule:
    match policy.rule:
        case ArgmaxRule(min_confidence=min_confidence):
            return MostLikely(policy.labels, min_confidence)
        case PerLabelThresholdsRule(thresholds=thresholds):
            return PerLabelThresholds(policy.labels, tuple(thresholds[label] for label in policy.labels))


def _check_belongs(policy: Policy, model: ModelInfo) -> None:
    if policy.model.revision != model.revision:
        raise PolicyError(
            f"the policy belongs to {policy.model.name} at {policy.model.revision}, the model is {model.name} at "
            f"{model.revision}: calibrate again for this model, or name the model the policy was made for"
        )
    if policy.task is not model.task:
        raise PolicyError(f"the policy is for {policy.task} models, {model.name} is {model.task}")
    if policy.labels != model.labels:
        raise PolicyError(f"the policy's labels are not those of {model.name}, or stand in another order")
    calibrated, running = policy.engine.precision, model.precision
    if (calibrated in INTEGER_PRECISIONS) is not (running in INTEGER_PRECISIONS):
        raise PolicyError(
            f"the policy was calibrated at precision {calibrated}, the model runs at {running}: int8 moves "
            "probabilities; calibrate again with the precision you run, or run the one you calibrated"
        )
