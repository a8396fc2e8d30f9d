"""What deciding costs: a wave of 512 texts, 28 labels, with everything a policy can ask for."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any

import numpy as np

from schemas.policy import Policy
from worker.decision.domain import SurpriseTable
from worker.decision.drift import DriftWatch
from worker.decision.evidence import Evidence
from worker.decision.policy import rule_for
from worker.learning.drift_reference import drift_check
from worker.records import ModelInfo, Task

TEXTS, LABELS, TOKENS, WAVES = 512, 28, 20, 300
NAMES = tuple(f"label {number}" for number in range(LABELS))


def cost() -> dict[str, float]:
    """Median milliseconds of CPU time for a wave: scores in, decisions with their reasons out."""
    rng = np.random.default_rng(1)
    found = {}
    for task in (Task.SINGLE_LABEL, Task.MULTI_LABEL):
        info = ModelInfo("m", "sha256:r", task, NAMES, 128, "openvino", "float32", "cpu")
        evidence = Evidence(
            _scores(rng, task),
            [rng.integers(0, 8000, TOKENS, dtype=np.int32) for _ in range(TEXTS)],
            np.zeros(TEXTS, np.bool_),
            rng.normal(5.0, 2.0, TEXTS),
        )
        table = SurpriseTable(rng.random(8000, np.float32), np.ones(8000, np.bool_), 0.5, 0.3, {0.01: 3.0})
        for name, policy in (("without a policy", None), ("with every rule", _everything(task, rng))):
            decider = rule_for(info, policy, min_confidence=0.5, surprise=table)
            watch = DriftWatch(policy.drift) if policy and policy.drift else None
            took = []
            for _ in range(WAVES):
                began = time.thread_time()
                decider.decide_wave(evidence, watch=watch)
                took.append(time.thread_time() - began)
            found[f"{task}, {name}"] = round(1000 * float(np.median(took)), 3)
    return found


def _scores(rng: np.random.Generator, task: Task) -> np.ndarray:
    logits = rng.normal(-4.0, 2.0, (TEXTS, LABELS))
    if task is Task.SINGLE_LABEL:
        return (np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)).astype(np.float32)
    return (1.0 / (1.0 + np.exp(-logits))).astype(np.float32)


def _everything(task: Task, rng: np.random.Generator) -> Policy:
    """Calibration, thresholds, watched labels, text rules and drift; for several labels three zones and the rest."""
    values: dict[str, Any] = {
        "schema": "emostream.policy/1",
        "model": {"name": "m", "revision": "sha256:r"},
        "engine": {"backend": "openvino", "precision": "float32"},
        "task": task,
        "labels": NAMES,
        "temperature": 1.2,
        "text": {"min_content_tokens": 2, "max_surprise": 3.0, "accept_truncated": False},
        "drift": drift_check(rng.random(1000)),
        "created_at": datetime(2026, 1, 1, tzinfo=UTC),
    }
    if task is Task.SINGLE_LABEL:
        rule: dict[str, Any] = {"kind": "argmax", "min_confidence": 0.5, "score": "energy"} | {
            "min_margin": 0.1,
            "watched_labels": NAMES[:2],
        }
    else:
        values["label_scaling"] = {name: {"slope": 1.1, "shift": 0.1} for name in NAMES}
        rule = {
            "kind": "per_label_thresholds",
            "thresholds": dict.fromkeys(NAMES, 0.4),
            "off_below": dict.fromkeys(NAMES, 0.2),
            "max_labels": 3,
            "exclusive_labels": NAMES[-1:],
            "watched_labels": NAMES[:2],
            "min_confidence": 0.5,
        }
    return Policy.model_validate({**values, "rule": rule})
