"""Decisions beside the truth: what was observed of labelled texts, decided by a policy.

Both a model's run and the lines of `classify` end in one `Judged`; what is measured on it is
`worker.learning.metrics`'.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from schemas.policy import Policy, TextRules, policy_id
from schemas.review import Reason
from worker.decision.calibration import grouped
from worker.decision.decider import Decider
from worker.decision.domain import mark_tokens
from worker.decision.policy import rule_for
from worker.decision.reasons import Marks, mark
from worker.errors import DataError, PolicyError
from worker.learning.datasets import Fields, LabelledTexts
from worker.learning.label_losses import grouped_truth
from worker.learning.metrics import Flags, Judged
from worker.learning.observed import Observed, Recorded, observe, read_observed
from worker.ports import Classifier
from worker.records import ModelInfo

RETAKE = "classify the texts again with --no-policy"
NO_ENERGY = f"the score energy needs the model's logits, and these predictions were written without: {RETAKE}"


def judge_model(
    classifier: Classifier,
    rule: Decider,
    data: LabelledTexts,
    *,
    progress: Callable[[int], None] = lambda _: None,
) -> Judged:
    """Run the engine over all texts and let the rule decide by the scores alone; see `observe`."""
    return decided(observe(classifier, data, progress=progress), rule, policy=None)


def judge_predictions(path: Path, fields: Fields | None = None, *, policy: Policy | None = None) -> Judged:
    """Read the JSON lines of `classify`: as they were decided, or, with a policy, decided again by it.

    Raises DataError, and PolicyError when the policy is another model's or needs what the lines do not say.
    """
    found = read_observed(path, fields)
    if found.recorded is None:
        raise DataError(f"{path}: no decisions")
    if policy is None or found.recorded.policy == policy_id(policy):
        return as_recorded(found, found.recorded, policy)
    return judge_observed(found, policy)


def judge_observed(found: Observed, policy: Policy | None, *, min_confidence: float = 0.0) -> Judged:
    """Decide by the policy, or as the worker does without one. Raises PolicyError."""
    if found.recorded is not None and found.recorded.calibrated:
        raise PolicyError(f"the scores in these lines were calibrated by another policy: {RETAKE}")
    by_scores = policy.model_copy(update={"text": None}) if policy else None
    model = found.model
    if policy is not None and not model.precision:
        model = _on_engine(found, policy)
    return decided(found, rule_for(model, by_scores, min_confidence=min_confidence), policy=policy)


def decided(found: Observed, rule: Decider, *, policy: Policy | None) -> Judged:
    """What the rule and the policy's checks of the texts say of what was observed."""
    if policy is not None and policy.rule.score == "energy" and found.energy is None:
        raise PolicyError(NO_ENERGY)
    verdicts = rule.verdicts(found.scores, found.energy)
    marks = verdicts.marks.copy()
    if policy is not None and policy.text is not None:
        mark_texts(marks, policy.text, found)
    names = policy.answers if policy else found.model.labels
    emitted, foreign = columns(verdicts.answers, names)
    return Judged(
        label_names=tuple(names),
        multi_label=found.multi_label,
        scores=np.nan_to_num(rule.answer_scores(found.scores).astype(np.float64)),
        truth=answer_truth(found, policy),
        emitted=emitted,
        accepted=(marks == 0) & ~foreign,
        certainty=np.clip(np.nan_to_num(verdicts.confidence), 0.0, 1.0),
        dead=found.dead,
    )


def mark_texts(marks: Marks, rules: TextRules, found: Observed) -> None:
    """Add what the policy objects to in the texts themselves. Raises PolicyError when that is not known."""
    if rules.accept_truncated is False:
        mark(marks, found.truncated, Reason.TRUNCATED)
    if rules.max_surprise is None and rules.min_content_tokens is None:
        return
    if found.tokens is None:
        raise PolicyError(
            "the policy judges texts by their tokens, and nothing is known of them here: the model has no surprise.npz "
            "beside it, or the predictions were written without it"
        )
    if rules.surprise_table not in (None, found.tokens.table):
        raise PolicyError("the policy was calibrated with another surprise.npz than these texts were measured by")
    mark_tokens(marks, rules, surprise=found.tokens.surprise, content=found.tokens.content)


def as_recorded(found: Observed, recorded: Recorded, policy: Policy | None) -> Judged:
    """The decisions that stand in the lines; the scores in them are those that the rule saw."""
    names = policy.answers if policy else found.model.labels
    scores = found.scores.astype(np.float64)
    if policy is not None and policy.groups is not None:
        scores = grouped(scores, _members(found, policy.groups), found.model.task).astype(np.float64)
    emitted, foreign = columns(recorded.labels, names)
    if foreign.any() and policy is None:
        raise DataError("the lines hold answers that are none of the model's labels: give the --policy that decided")
    return Judged(
        label_names=tuple(names),
        multi_label=found.multi_label,
        scores=scores,
        truth=answer_truth(found, policy),
        emitted=emitted,
        accepted=recorded.accepted & ~foreign,
        certainty=recorded.confidence,
        dead=found.dead,
    )


def answer_truth(found: Observed, policy: Policy | None) -> Flags:
    """The truth in terms of what the policy answers with, bool [n, answers]."""
    if policy is None or policy.groups is None:
        return found.truth
    return grouped_truth(found.truth, _members(found, policy.groups))


def columns(answers: Sequence[tuple[str, ...]], names: Sequence[str]) -> tuple[Flags, Flags]:
    """Answers as flags [n, names], and which texts have one that is no such name (a label of doubt): that is no answer
    to judge, but an abstention with a name."""
    column = {name: number for number, name in enumerate(names)}
    emitted = np.zeros((len(answers), len(names)), dtype=np.bool_)
    foreign = np.zeros(len(answers), dtype=np.bool_)
    for row, labels in enumerate(answers):
        known = [column[label] for label in labels if label in column]
        emitted[row, known] = True
        foreign[row] = len(known) < len(labels)
    return emitted, foreign


def _members(found: Observed, groups: Mapping[str, Sequence[str]]) -> list[NDArray[np.intp]]:
    return [np.array([found.model.labels.index(label) for label in group]) for group in groups.values()]


def _on_engine(found: Observed, policy: Policy) -> ModelInfo:
    """Lines that do not say what ran the model are taken to be the policy's."""
    return replace(found.model, backend=policy.engine.backend, precision=policy.engine.precision)
