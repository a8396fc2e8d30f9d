"""Chooses a policy's rule on calibrated scores, so that what was wished is kept, or says that it cannot be.

Every text is first judged by the rule itself with no threshold: what it sends to review anyway (watched labels, small
margins, texts out of domain …) is never accepted, so the promise is about the others. Which threshold is right is
`worker.learning.proving`'s; the statistics are `guarantees`' and `label_sets`'.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from schemas.rules import ArgmaxRule, PerLabelThresholdsRule, TopLabelRule
from schemas.rules import Rules as Rules
from worker.decision.multi_label import PerLabelThresholds
from worker.decision.rules import Rule
from worker.decision.single_label import MostLikely
from worker.learning.choices import LabelThresholds, Method, Risk, Score
from worker.learning.guarantees import Candidates, Promise, Selected, examples_needed, for_all, per_label
from worker.learning.label_sets import (
    LOSSES,
    common_candidates,
    common_threshold,
    conformal_false_negatives,
    precision_thresholds,
)
from worker.learning.proving import NAMES, Unsupported, in_all, one_threshold, promise_of, proven
from worker.learning.selective import aurc
from worker.learning.thresholds import f1_thresholds
from worker.learning.wishes import Wishes

Numbers = NDArray[np.float64]
Flags = NDArray[np.bool_]
Places = NDArray[np.intp]

SINGLE = (Score.MAX_PROBABILITY, Score.MARGIN, Score.ENTROPY)
"""Scores that need probabilities only."""
FEW_TARGETS = (0.02, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8)
"""Easier targets where trying one takes a while."""


@dataclass(frozen=True)
class Proof:
    """n texts: calibrated `scores` float32 and `truth` bool [n, answers] of what the rule chooses from.

    `fit`: rows that set F1 thresholds and zones. `rows`: those that prove the promise; disjoint for multi-label models.
    `blocked` bool [n]: texts that go to review for what they are, not for their scores. `energy` [n]:
    log-sum-exp of the logits, where it is known.
    """

    answers: tuple[str, ...]
    scores: NDArray[np.float32]
    truth: Flags
    fit: Places
    rows: Places
    blocked: Flags
    multi_label: bool
    energy: Numbers | None = None

    def confidence(self, rule: Rule) -> Numbers:
        """How sure the rule is of each text [n]; no number where it sends it to review whatever the threshold."""
        verdicts = rule.judge(self.scores, self.energy)
        named = np.array([bool(set(answer) <= set(self.answers)) for answer in verdicts.answers], dtype=np.bool_)
        return np.where((verdicts.marks == 0) & ~self.blocked & named, verdicts.confidence, np.nan)


@dataclass(frozen=True)
class Chosen:
    """The rule, and what is known of it: `risk` and `bound` among accepted proof texts, `confidence` and `loss`
    [proof rows] before the threshold, the bound of each label that has one of its own, the areas under the
    risk-coverage curve by which the score was chosen, and remarks for whoever asked."""

    rule: Rules
    method: str
    bounded: Risk
    risk: float
    bound: float
    confidence: Numbers
    loss: Numbers
    label_bounds: Mapping[str, float] = field(default_factory=dict)
    score_areas: Mapping[str, float] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()


def choose(proof: Proof, wishes: Wishes) -> Chosen:
    """The rule that keeps what was wished. Raises Unsupported when the data cannot support it."""
    try:
        return _chosen(proof, wishes)
    except Unsupported as refused:
        refusal, rows = refused.refusal, len(proof.rows)
        raise Unsupported(replace(refusal, examples=in_all(refusal.examples, rows, len(proof.scores)))) from None


def _chosen(proof: Proof, wishes: Wishes) -> Chosen:
    risk = wishes.bounded(multi_label=proof.multi_label)
    if risk is Risk.FALSE_NEGATIVES:
        return _few_missed(proof, wishes)
    if risk is Risk.LABEL_RISK and proof.multi_label:
        return _each_precise(proof, wishes)
    if risk in (Risk.SELECTIVE_RISK, Risk.LABEL_RISK):
        return _one_answer(proof, wishes, risk)
    if wishes.label_thresholds is LabelThresholds.COMMON:
        return _common(proof, wishes, risk)
    return _label_sets(proof, wishes, risk)


def _one_answer(proof: Proof, wishes: Wishes, risk: Risk) -> Chosen:
    """The most likely answer: one threshold, or one for each answer."""
    best = proof.scores.argmax(axis=1)
    loss = (~proof.truth[np.arange(len(best)), best]).astype(np.float64)
    usual = (Score.MAX_PROBABILITY,) if proof.multi_label else SINGLE
    if proof.energy is not None and not proof.multi_label:
        usual = (*usual, Score.ENERGY)
    drafts = {name: _single_draft(wishes, name, proof) for name in _scores(wishes, usual)}
    confidences = {name: proof.confidence(MostLikely(proof.answers, rule)) for name, rule in drafts.items()}
    name, areas = _best(confidences, loss, proof.fit)
    confidence, wrong = confidences[name][proof.rows], loss[proof.rows]
    if risk is Risk.LABEL_RISK:
        return _each_label(proof, wishes, drafts[name], _Texts(confidence, wrong, best[proof.rows]), areas)
    chosen = one_threshold(confidence, wrong, wishes)
    final = drafts[name].model_copy(update={"min_confidence": chosen.threshold})
    return Chosen(final, NAMES[wishes.method], risk, chosen.risk, chosen.bound, confidence, wrong, score_areas=areas)


@dataclass(frozen=True)
class _Texts:
    """Confidence, loss and answer of each proof text."""

    confidence: Numbers
    loss: Numbers
    best: Places


def _each_label(
    proof: Proof, wishes: Wishes, draft: ArgmaxRule | TopLabelRule, texts: _Texts, areas: Mapping[str, float]
) -> Chosen:
    known, size = ~np.isnan(texts.confidence), len(texts.confidence)
    sure, wrong, best = texts.confidence[known], texts.loss[known], texts.best[known]

    def solve(promise: Promise) -> list[Selected | None] | None:
        found = per_label(sure, wrong, best, promise, labels=len(proof.answers))
        return found if any(found) else None

    found = proven(
        solve,
        wishes,
        coverage=lambda each: sum(label.accepted for label in each if label) / size,
        examples=lambda: _for_the_easiest_label(
            [(sure[best == label], wrong[best == label]) for label in np.unique(best).tolist()], wishes, size
        ),
    )
    names = {name: each for name, each in zip(proof.answers, found, strict=True) if each is not None}
    unproven = tuple(name for name in proof.answers if name not in names and name not in wishes.watched)
    final = draft.model_copy(
        update={
            "min_confidence": max(each.threshold for each in names.values()),
            "thresholds": {name: each.threshold for name, each in names.items()},
            "watched_labels": (*wishes.watched, *unproven) or None,
        }
    )
    accepted = sum(each.accepted for each in names.values())
    return Chosen(
        rule=final,
        method=NAMES[Method.LTT],
        bounded=Risk.LABEL_RISK,
        risk=sum(each.risk * each.accepted for each in names.values()) / accepted,
        bound=max(each.bound for each in names.values()),
        confidence=texts.confidence,
        loss=texts.loss,
        label_bounds={name: each.bound for name, each in names.items()},
        score_areas=areas,
        remarks=_unproven("always reviewed", unproven),
    )


def _label_sets(proof: Proof, wishes: Wishes, risk: Risk) -> Chosen:
    """Labels from their F1 thresholds on; texts accepted from a confidence in their set of labels on."""
    shape = f1_thresholds(proof.scores[proof.fit], proof.truth[proof.fit].astype(np.float64))
    loss = LOSSES[risk](proof.scores >= shape.astype(np.float32), proof.truth)
    usual = (Score.MEAN_EMITTED, Score.SET_PROBABILITY, Score.MAX_PROBABILITY)
    off, remarks = _off_below(proof, wishes, shape)
    drafts = {name: _set_draft(wishes, name, proof, shape, off) for name in _scores(wishes, usual)}
    confidences = {name: proof.confidence(PerLabelThresholds(proof.answers, rule)) for name, rule in drafts.items()}
    name, areas = _best(confidences, loss, proof.fit)
    confidence, lost = confidences[name][proof.rows], loss[proof.rows]
    chosen = one_threshold(confidence, lost, wishes)
    final = drafts[name].model_copy(update={"min_confidence": chosen.threshold})
    return Chosen(
        rule=final,
        method=NAMES[wishes.method],
        bounded=risk,
        risk=chosen.risk,
        bound=chosen.bound,
        confidence=confidence,
        loss=lost,
        score_areas=areas,
        remarks=remarks,
    )


def _common(proof: Proof, wishes: Wishes, risk: Risk) -> Chosen:
    """One threshold for all labels; texts that get a label are accepted."""
    rows = proof.rows[~proof.blocked[proof.rows]]
    scores, truth = proof.scores[rows].astype(np.float64), proof.truth[rows]
    found = proven(
        lambda promise: common_threshold(scores, truth, promise, loss=LOSSES[risk]),
        wishes,
        coverage=lambda each: each.accepted / len(proof.rows),
        examples=lambda: examples_needed(common_candidates(scores, truth, loss=LOSSES[risk]), promise_of(wishes)),
        targets=FEW_TARGETS,
    )
    rule = PerLabelThresholdsRule(thresholds=dict.fromkeys(proof.answers, found.threshold))
    loss = LOSSES[risk](proof.scores[proof.rows] >= np.float32(found.threshold), proof.truth[proof.rows])
    return Chosen(rule, NAMES[wishes.method], risk, found.risk, found.bound, _highest(proof), loss)


def _each_precise(proof: Proof, wishes: Wishes) -> Chosen:
    """A threshold for each label from which at most a share of its answers is wrong, for all labels at once."""
    rows = proof.rows[~proof.blocked[proof.rows]]
    scores, truth = proof.scores[rows].astype(np.float64), proof.truth[rows]

    def solve(promise: Promise) -> list[Selected | None] | None:
        found = precision_thresholds(scores, truth, promise)
        return found if any(found) else None

    found = proven(
        solve,
        wishes,
        coverage=lambda each: float((scores >= _floors(each)).any(axis=1).sum() / len(proof.rows)),
        examples=lambda: _for_the_easiest_label(
            [(scores[:, label], (~truth[:, label]).astype(np.float64)) for label in range(len(proof.answers))],
            wishes,
            len(proof.rows),
        ),
        targets=FEW_TARGETS,
    )
    names = dict(zip(proof.answers, found, strict=True))
    emitted = proof.scores[proof.rows] >= _floors(found).astype(np.float32)
    loss = LOSSES[Risk.WRONG_EMITTED](emitted, proof.truth[proof.rows])
    confidence = _highest(proof)
    accepted = emitted.any(axis=1) & ~np.isnan(confidence)
    return Chosen(
        rule=PerLabelThresholdsRule(
            thresholds={name: each.threshold if each else None for name, each in names.items()}
        ),
        method=NAMES[Method.LTT],
        bounded=Risk.LABEL_RISK,
        risk=float(loss[accepted].mean()),
        bound=max(each.bound for each in found if each),
        confidence=confidence,
        loss=loss,
        label_bounds={name: each.bound for name, each in names.items() if each},
        remarks=_unproven("never given", tuple(name for name, each in names.items() if each is None)),
    )


def _few_missed(proof: Proof, wishes: Wishes) -> Chosen:
    """One low threshold, so that few true labels are missed on average (conformal risk control)."""
    scores, truth = proof.scores[proof.rows].astype(np.float64), proof.truth[proof.rows]
    promise = promise_of(wishes)
    threshold = proven(
        lambda asked: conformal_false_negatives(scores, truth, asked.target_risk),
        wishes,
        coverage=lambda level: float((scores.max(axis=1) >= level).mean()),
        examples=lambda: int(np.ceil(1.0 / promise.target_risk)) - 1,
    )
    missed = (truth & ~(scores >= threshold)).sum(axis=1) / np.maximum(truth.sum(axis=1), 1)
    return Chosen(
        rule=PerLabelThresholdsRule(thresholds=dict.fromkeys(proof.answers, threshold)),
        method="conformal_risk_control",
        bounded=Risk.FALSE_NEGATIVES,
        risk=float(missed.mean()),
        bound=promise.target_risk,
        confidence=_highest(proof),
        loss=missed,
        remarks=("false_negatives holds on average over texts and calibration sets: no confidence applies to it",),
    )


def _scores(wishes: Wishes, usual: Sequence[Score]) -> Sequence[Score]:
    return usual if wishes.score is Score.BEST else (wishes.score,)


def _best(confidences: Mapping[Score, Numbers], loss: Numbers, rows: Places) -> tuple[Score, dict[str, float]]:
    """The score with the smallest area under the risk-coverage curve, the first at a tie; and the area of each."""
    areas = {name: aurc(confidence[rows], loss[rows]) for name, confidence in confidences.items()}
    return min(areas, key=lambda name: areas[name]), {str(name): area for name, area in areas.items()}


def _single_draft(wishes: Wishes, score: Score, proof: Proof) -> ArgmaxRule | TopLabelRule:
    watched = wishes.watched or None
    if proof.multi_label:
        return TopLabelRule(min_confidence=0.0, watched_labels=watched)
    return ArgmaxRule.model_validate(
        {
            "min_confidence": 0.0,
            "score": str(score),
            "min_margin": wishes.min_margin,
            "doubt_label": wishes.doubt,
            "watched_labels": watched,
        }
    )


def _set_draft(
    wishes: Wishes, score: Score, proof: Proof, shape: Numbers, off: dict[str, float] | None
) -> PerLabelThresholdsRule:
    return PerLabelThresholdsRule.model_validate(
        {
            "thresholds": dict(zip(proof.answers, shape.tolist(), strict=True)),
            "off_below": off,
            "max_labels": wishes.max_labels,
            "exclusive_labels": wishes.exclusive or None,
            "watched_labels": wishes.watched or None,
            "min_confidence": 0.0,
            "score": str(score),
        }
    )


def _off_below(proof: Proof, wishes: Wishes, shape: Numbers) -> tuple[dict[str, float] | None, tuple[str, ...]]:
    """Below which score each label is off: at most a share of the texts there have it, for all labels at once."""
    if wishes.off_risk is None:
        return None, ()
    scores, truth = proof.scores[proof.fit].astype(np.float64), proof.truth[proof.fit].astype(np.float64)
    problems = [(1.0 - scores[:, label], truth[:, label]) for label in range(len(proof.answers))]
    found = for_all(problems, Promise(wishes.off_risk, wishes.confidence))
    off = {
        name: min(float(on), 1.0 - each.threshold)
        for name, on, each in zip(proof.answers, shape.tolist(), found, strict=True)
        if each is not None
    }
    return off or None, _unproven("no unsure zone", tuple(name for name in proof.answers if name not in off))


def _highest(proof: Proof) -> Numbers:
    """The highest score of each proof text; no number for those that go to review whatever it is."""
    scores = proof.scores[proof.rows].max(axis=1).astype(np.float64)
    return np.where(proof.blocked[proof.rows], np.nan, scores)


def _floors(found: Sequence[Selected | None]) -> Numbers:
    return np.array([each.threshold if each else np.inf for each in found])


def _for_the_easiest_label(problems: Sequence[tuple[Numbers, Numbers]], wishes: Wishes, size: int) -> int | None:
    """About how many texts it takes until one label has a threshold, from the score and loss of the texts of each."""
    level = Promise(promise_of(wishes).target_risk, 1.0 - promise_of(wishes).delta / max(1, len(problems)))
    needed = [in_all(examples_needed(Candidates.of(score, loss), level), len(score), size) for score, loss in problems]
    return min((each for each in needed if each is not None), default=None)


def _unproven(what: str, labels: tuple[str, ...]) -> tuple[str, ...]:
    return (f"{what}, as these examples prove too little: {', '.join(labels)}",) if labels else ()
