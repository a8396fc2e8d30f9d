"""What the tests of decisions are made of."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import numpy as np

from schemas.policy import Policy, PolicyEngine, PolicyModel
from schemas.rules import ArgmaxRule, PerLabelThresholdsRule, Rules
from worker.records import ModelInfo, Task

LABELS = ("joy", "anger", "fear")


def scores(*rows: tuple[float, ...]) -> np.ndarray:
    return np.array(rows, dtype=np.float32)


def argmax(min_confidence: float = 0.5, **options: Any) -> ArgmaxRule:
    return ArgmaxRule.model_validate_json(json.dumps({"min_confidence": min_confidence, **options}))


def per_label(*thresholds: float | None, **options: Any) -> PerLabelThresholdsRule:
    named = dict(zip(LABELS, thresholds, strict=True))
    return PerLabelThresholdsRule.model_validate_json(json.dumps({"thresholds": named, **options}))


def model(
    task: Task = Task.SINGLE_LABEL,
    *,
    name: str = "builtin:emotion",
    revision: str = "sha256:a",
    precision: str = "float32",
    labels: tuple[str, ...] = LABELS,
) -> ModelInfo:
    return ModelInfo(name, revision, task, labels, 128, "openvino", precision, "cpu")


def policy(rule: Rules | None = None, **changes: Any) -> Policy:
    """A policy of `model()`, for the task of the rule."""
    rule = rule or argmax(0.6)
    values: dict[str, Any] = {
        "schema": "emostream.policy/1",
        "model": PolicyModel(name="builtin:emotion", revision="sha256:a"),
        "engine": PolicyEngine(backend="openvino", precision="float32"),
        "task": rule.task,
        "labels": LABELS,
        "temperature": 1.0,
        "rule": rule,
        "created_at": datetime(2026, 1, 1, tzinfo=UTC),
    }
    return Policy.model_validate({**values, **changes})
