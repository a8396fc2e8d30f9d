"""Chooses how to decide: by the policy file when there is one, else by the task; refuses a policy of another model.

A policy is tied to the model's content, its labels and the kind of engine it was calibrated on, because its
thresholds mean nothing anywhere else.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from schemas.policy import ArgmaxRule, PerLabelThresholdsRule, Policy, policy_id
from worker.decision.calibration import Calibration
from worker.decision.decider import Decider
from worker.decision.domain import SurpriseTable, TextChecks
from worker.decision.multi_label import PerLabelThresholds
from worker.decision.rules import Rule
from worker.decision.single_label import MostLikely
from worker.errors import PolicyError
from worker.records import ModelInfo, Task

MULTI_LABEL_THRESHOLD = 0.5
INTEGER_PRECISIONS = frozenset({"int8"})


def rule_for(
    model: ModelInfo, policy: Policy | None, *, min_confidence: float, surprise: SurpriseTable | None = None
) -> Decider:
    """How to decide by `policy`; without one the most likely label, or every label at 0.5, above `min_confidence`.

    Raises PolicyError when the policy does not belong to this model or engine, or needs a `surprise` that is not there.
    """
    if policy is None:
        return Decider(_default_rule(model, min_confidence), Calibration(model.task))
    check_belongs(policy, model)
    return Decider(
        _rule_of(policy),
        calibration_of(policy),
        groups=_members(policy),
        text_checks=TextChecks(policy.text, surprise) if policy.text else None,
    )


def calibration_of(policy: Policy) -> Calibration:
    """How the policy calibrates scores."""
    if policy.label_scaling is None:
        return Calibration(policy.task, policy.temperature)
    scaling = [policy.label_scaling[label] for label in policy.labels]
    return Calibration(
        policy.task,
        policy.temperature,
        slopes=np.array([each.slope for each in scaling]),
        shifts=np.array([each.shift for each in scaling]),
    )


def reference(policy: Policy | None, decider: Decider) -> Mapping[str, Any] | None:
    """What events say about the policy that decided: its id, its one threshold if it has one, its promise."""
    if policy is None:
        return None
    promise = policy.guarantee
    return {
        "id": policy_id(policy),
        "threshold": decider.threshold,
        "calibrated": decider.calibration.changes,
        "guarantee": promise
        and {
            "target_risk": promise.target_risk,
            "confidence": promise.confidence,
            "risk": promise.risk or "selective_risk",
            "stands": True,
        },
    }


def _default_rule(model: ModelInfo, min_confidence: float) -> Rule:
    if model.task is Task.SINGLE_LABEL:
        return MostLikely(model.labels, ArgmaxRule(min_confidence=min_confidence))
    thresholds: dict[str, float | None] = dict.fromkeys(model.labels, MULTI_LABEL_THRESHOLD)
    return PerLabelThresholds(
        model.labels, PerLabelThresholdsRule(thresholds=thresholds, min_confidence=min_confidence)
    )


def _rule_of(policy: Policy) -> Rule:
    if isinstance(policy.rule, PerLabelThresholdsRule):
        return PerLabelThresholds(policy.answers, policy.rule)
    return MostLikely(policy.answers, policy.rule)


def _members(policy: Policy) -> list[np.ndarray] | None:
    if policy.groups is None:
        return None
    return [np.array([policy.labels.index(label) for label in group]) for group in policy.groups.values()]


def check_belongs(policy: Policy, model: ModelInfo) -> None:
    """Raise PolicyError unless the policy was made for this model, task, labels and kind of engine."""
    same_name = policy.model.name == model.name or _is_folder(policy.model.name, policy.model.revision)
    if policy.model.revision != model.revision or not same_name:
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


def _is_folder(name: str, revision: str) -> bool:
    """A folder lies elsewhere on every machine: its content, which is its revision, says whether it is the same."""
    return revision.startswith("sha256:") and not name.startswith("builtin:")
