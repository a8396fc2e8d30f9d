"""Makes a policy from what a model said of labelled texts: honest scores, checks of the texts, thresholds, a watch.

The finished policy is then asked to decide the same texts again, by the very code that will decide live ones: what it
says of itself is what it does. No files, no printing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from schemas.policy import (
    POLICY_SCHEMA,
    DriftCheck,
    Guarantee,
    Policy,
    PolicyEngine,
    PolicyModel,
    TextRules,
)
from schemas.policy import (
    Scaling as LabelScaling,
)
from worker.decision.calibration import Calibration, grouped
from worker.decision.explanation import explain
from worker.decision.reasons import no_marks
from worker.errors import DataError, PolicyError
from worker.learning.audit import audit_strata
from worker.learning.calibration import CalibrationQuality, fit_multi, fit_single, quality
from worker.learning.choices import Risk, Scaling, Score
from worker.learning.choosing import Chosen, Proof, choose
from worker.learning.drift_reference import drift_check
from worker.learning.evaluate import NO_ENERGY, RETAKE, judge_observed, mark_texts
from worker.learning.label_losses import grouped_truth
from worker.learning.metrics import Judged
from worker.learning.observed import Observed
from worker.learning.wishes import TextWishes, Wishes

Places = NDArray[np.intp]
Flags = NDArray[np.bool_]

FIT_SHARE = 0.3
"""Multi-label: the share of the texts that calibrates the scores and sets F1 thresholds. The others prove the promise:
with some eighty numbers fitted on the same texts, it would be broken."""
SPLIT_SEED = 17
FALSE_ALARM_RATE = 0.01
MIN_CONTENT_TOKENS = 2


@dataclass(frozen=True)
class Calibrated:
    """The policy, what its promise rests on (`chosen`), and what became of the texts that prove it.

    `before` and `after` are those texts decided without and with the policy, beside the quality of their scores;
    `fitted` texts set the scores of a multi-label model and prove nothing.
    """

    policy: Policy
    chosen: Chosen
    fitted: int
    before: Judged
    after: Judged
    quality_before: CalibrationQuality
    quality_after: CalibrationQuality
    remarks: tuple[str, ...]

    @property
    def coverage(self) -> float:
        return float(self.after.accepted.mean())

    @property
    def thresholds(self) -> dict[str, float | None]:
        """From which score or confidence each answer is given or accepted; None: never."""
        return {line.label: line.on for line in explain(self.policy).labels}


def calibrate(found: Observed, wishes: Wishes, *, now: datetime) -> Calibrated:
    """A policy as wished. Raises Unsupported when the data cannot support it, another UsageError when they are not
    what it takes."""
    model = found.model
    if found.recorded is not None and found.recorded.calibrated:
        raise DataError(f"the scores in these lines were calibrated by a policy: {RETAKE}")
    wishes.check(model.labels, multi_label=found.multi_label)
    if wishes.score is Score.ENERGY and found.energy is None:
        raise PolicyError(NO_ENERGY)
    fit, rows = _parts(found)
    calibration = _fitted(found, fit, wishes.scaling)
    scores = np.asarray(calibration.apply(found.scores), dtype=np.float32)
    text = _text_rules(found, wishes.text)
    proof = _proof(found, wishes, scores, text, fit=fit, rows=rows)
    chosen = choose(proof, wishes)
    draft = Policy(
        schema=POLICY_SCHEMA,
        model=PolicyModel(name=model.name, revision=model.revision),
        engine=PolicyEngine(backend=model.backend, precision=model.precision),
        task=model.task,
        labels=model.labels,
        temperature=calibration.temperature,
        label_scaling=_label_scaling(calibration, model.labels),
        groups=dict(wishes.groups) if wishes.groups else None,
        rule=chosen.rule,
        text=text,
        data_fingerprint=found.fingerprint,
        created_at=now,
    )
    decided = judge_observed(found, draft)
    after = decided.take(rows)
    policy = draft.model_copy(
        update={
            "guarantee": _guarantee(chosen, wishes, after),
            "audit": _audit(decided, wishes),
            "drift": _drift(decided, wishes),
        }
    )
    return Calibrated(
        policy=Policy.model_validate(policy.model_dump()),
        chosen=chosen,
        fitted=len(found) - len(rows),
        before=judge_observed(replace(found, recorded=None), None).take(rows),
        after=after,
        quality_before=_quality(found, found.scores, rows),
        quality_after=_quality(found, scores, rows),
        remarks=(*_remarks(found, wishes, text), *chosen.remarks),
    )


def _parts(found: Observed) -> tuple[Places, Places]:
    """Rows that fit and rows that prove: the same for one label a text, a seeded split for several."""
    everything = np.arange(len(found))
    if not found.multi_label:
        return everything, everything
    shuffled = np.random.default_rng(SPLIT_SEED).permutation(everything)
    fit, rows = np.split(shuffled, [int(FIT_SHARE * len(everything))])
    return np.sort(fit), np.sort(rows)


def _fitted(found: Observed, fit: Places, scaling: Scaling) -> Calibration:
    """Temperature or Platt scaling, by the texts whose scores are numbers."""
    rows = fit[np.isfinite(found.scores[fit]).all(axis=1)]
    scores, truth = found.scores[rows].astype(np.float64), found.truth[rows]
    if scaling is Scaling.NONE or not len(rows):
        return Calibration(found.model.task)
    if found.multi_label:
        return fit_multi(scores, truth, shifts=scaling is not Scaling.TEMPERATURE)
    if truth[np.arange(len(truth)), scores.argmax(axis=1)].all():
        return Calibration(found.model.task)  # without an error the best temperature is none at all
    return fit_single(scores, truth)


def _proof(
    found: Observed, wishes: Wishes, scores: NDArray[np.float32], text: TextRules | None, *, fit: Places, rows: Places
) -> Proof:
    answers, truth = found.model.labels, found.truth
    if wishes.groups is not None:
        places = {label: number for number, label in enumerate(found.model.labels)}
        members = [np.array([places[label] for label in group]) for group in wishes.groups.values()]
        answers, truth = tuple(wishes.groups), grouped_truth(truth, members)
        scores = np.asarray(grouped(scores, members, found.model.task), dtype=np.float32)
    marks = no_marks(len(found))
    if text is not None:
        mark_texts(marks, text, found)
    return Proof(
        answers,
        scores,
        truth,
        fit=fit,
        rows=rows,
        blocked=marks != 0,
        multi_label=found.multi_label,
        energy=found.energy,
    )


def _text_rules(found: Observed, wishes: TextWishes) -> TextRules | None:
    """The checks of the texts; those by tokens where the model has a table, unless they are wished away."""
    tokens = found.tokens
    asked = bool(wishes.false_alarm_rate or wishes.min_content_tokens)
    if tokens is None and asked:
        raise PolicyError(
            "the texts cannot be judged by their tokens: the model has no surprise.npz beside it, or the predictions "
            "were written without it: leave out --false-alarm-rate and --min-tokens, or train the model again"
        )
    rate = FALSE_ALARM_RATE if wishes.false_alarm_rate is None else wishes.false_alarm_rate
    fewest = MIN_CONTENT_TOKENS if wishes.min_content_tokens is None else wishes.min_content_tokens
    judged = tokens is not None and bool(rate or fewest)
    if not judged and not wishes.review_truncated:
        return None
    judges_domain = judged and bool(rate)
    return TextRules(
        min_content_tokens=fewest if judged and fewest else None,
        max_surprise=_surprise_at(found, rate) if judges_domain else None,
        false_alarm_rate=rate if judges_domain else None,
        surprise_table=tokens.table if judged and tokens is not None else None,
        accept_truncated=False if wishes.review_truncated else None,
    )


def _surprise_at(found: Observed, rate: float) -> float:
    """The surprise that at most this share of the texts exceeds."""
    surprise = found.tokens.surprise if found.tokens is not None else np.zeros(0)
    return float(np.quantile(surprise, 1.0 - rate, method="higher"))


def _quality(found: Observed, scores: NDArray[np.float32], rows: Places) -> CalibrationQuality:
    known = rows[np.isfinite(scores[rows]).all(axis=1)]
    if not len(known):
        raise DataError("too few texts, or none with scores that are numbers: nothing can be calibrated")
    return quality(scores[known].astype(np.float64), found.truth[known], found.model.task)


def _label_scaling(calibration: Calibration, labels: tuple[str, ...]) -> dict[str, LabelScaling] | None:
    if calibration.slopes is None or calibration.shifts is None:
        return None
    return {
        label: LabelScaling(slope=slope, shift=shift)
        for label, slope, shift in zip(labels, calibration.slopes.tolist(), calibration.shifts.tolist(), strict=True)
    }


def _guarantee(chosen: Chosen, wishes: Wishes, after: Judged) -> Guarantee | None:
    if wishes.promise is None or not wishes.guarantees:
        return None
    on_average = chosen.bounded is Risk.FALSE_NEGATIVES
    return Guarantee(
        method=chosen.method,
        risk=chosen.bounded.value,
        target_risk=wishes.promise.target_risk,
        confidence=None if on_average else wishes.promise.confidence,
        calibration_size=len(after.accepted),
        coverage=float(after.accepted.mean()),
        bound=min(1.0, chosen.bound),
    )


def _audit(decided: Judged, wishes: Wishes) -> object:
    rate = wishes.after.audit_rate
    if not rate:
        return None
    accepted = decided.ranking[decided.accepted]
    return audit_strata(accepted, rate=rate, strata=wishes.after.audit_strata) if len(accepted) else None


def _drift(decided: Judged, wishes: Wishes) -> DriftCheck | None:
    rate = wishes.after.false_alarms_per_day
    if not rate:
        return None
    return drift_check(decided.ranking, false_alarms_per_day=rate, void_guarantee=wishes.after.void_guarantee)


def _remarks(found: Observed, wishes: Wishes, text: TextRules | None) -> tuple[str, ...]:
    known: list[bool] = np.any(found.truth, axis=0).tolist()
    unseen = [label for number, label in enumerate(found.model.labels) if not known[number]]
    remarks = []
    if unseen:
        remarks.append(f"never true in these examples, so nothing is known of them: {', '.join(unseen)}")
    if found.dead:
        remarks.append(f"left out, as they could not be classified: {found.dead} texts")
    if text is not None and text.max_surprise is not None and text.false_alarm_rate is not None:
        share = float((found.tokens.surprise > text.max_surprise).mean()) if found.tokens else 0.0
        remarks.append(f"out of domain: {share:.1%} of these texts (false-alarm rate {text.false_alarm_rate:g})")
    if wishes.promise is not None and not wishes.guarantees:
        remarks.append("method empirical promises nothing: it exceeds its target about every other time")
    return tuple(remarks)
