"""A policy in plain words: what is promised and on what data, how is decided, and which rules give which reasons.

Words only, made from the policy file alone; no learning, no model, no printing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from schemas.policy import Guarantee, Policy, TextRules, policy_id
from schemas.review import Reason
from schemas.rules import ArgmaxRule, PerLabelThresholdsRule

SCORES = {
    "max_probability": "the probability of the most likely label",
    "margin": "how far the most likely label is ahead of the second",
    "entropy": "1 minus the entropy of the labels over its maximum",
    "energy": "the log-sum-exp E of the model's logits, told as (1 + E / (1 + |E|)) / 2",
    "mean_emitted": "the mean probability of the labels given",
    "set_probability": "the probability that all labels are as given, were they independent",
}
METHODS = {
    "ltt_fixed_sequence": "learn then test, fixed sequence (Angelopoulos et al. 2021)",
    "sgr": "selection with guaranteed risk (Geifman & El-Yaniv 2017)",
    "budget": "a threshold by the share of reviews, tested once",
    "fixed_threshold": "a threshold given beforehand, tested once",
    "conformal_risk_control": "conformal risk control (Angelopoulos et al. 2022)",
}
BOUNDED = {
    "selective_risk": "of the accepted answers at most {target} are wrong",
    "label_risk": "of the accepted answers of every label at most {target} are wrong, for all labels at once",
    "wrong_emitted": "of the labels given to an accepted text at most {target} are wrong, on average over texts",
    "exact_match_error": "of the accepted texts at most {target} have a set of labels that is not exactly right",
    "false_negatives": "of a text's true labels at most {target} are missed, on average over texts",
}


@dataclass(frozen=True)
class Check:
    """One thing that sends a text to review: when, and the reason its event states."""

    when: str
    reason: Reason


@dataclass(frozen=True)
class LabelLine:
    """One label's thresholds: given (or accepted) from `on`, None where that never happens; unsure from `off` on."""

    label: str
    on: float | None
    off: float | None
    watched: bool


@dataclass(frozen=True)
class Explanation:
    """`promise` and `basis` are sentences; `checks` and `labels` are tables; `notes` say what else happens."""

    identity: str
    promise: str
    basis: str
    answers: str
    checks: tuple[Check, ...]
    labels: tuple[LabelLine, ...]
    notes: tuple[str, ...]


def explain(policy: Policy) -> Explanation:
    """What the policy says, for people."""
    return Explanation(
        identity=f"{policy.model.name} ({policy.task.replace('_', '-')}, {len(policy.labels)} labels) "
        f"on {policy.engine.backend} in {policy.engine.precision}, revision {policy.model.revision}; "
        f"policy {policy_id(policy)}",
        promise=promise_of(policy.guarantee),
        basis=_basis(policy),
        answers=_answers(policy),
        checks=tuple(_checks(policy)),
        labels=tuple(_labels(policy)),
        notes=tuple(_notes(policy)),
    )


def promise_of(guarantee: Guarantee | None) -> str:
    """The promise in a sentence."""
    if guarantee is None:
        return "Nothing is promised: the thresholds are rules of thumb."
    kept = BOUNDED[guarantee.risk or "selective_risk"].format(target=percent(guarantee.target_risk))
    if guarantee.confidence is None:
        return f"On average over calibration sets, {kept}, as long as live texts are like those it was calibrated on."
    return (
        f"With probability {guarantee.confidence:g} over calibration sets, {kept}, as long as live texts are like "
        "those it was calibrated on."
    )


def percent(share: float) -> str:
    return f"{100 * share:.3g} %"


def _basis(policy: Policy) -> str:
    proof = policy.guarantee
    made = f"Made on {policy.created_at:%Y-%m-%d %H:%M} UTC"
    data = f" from data {policy.data_fingerprint}" if policy.data_fingerprint else ""
    if proof is None:
        return f"{made}{data}."
    method = METHODS.get(proof.method, proof.method)
    return (
        f"{made}{data}: proven on {proof.calibration_size:,} labelled texts by {method}; {percent(proof.coverage)} of "
        f"them are accepted, and the risk is at most {percent(proof.bound)} with the stated confidence."
    )


def _answers(policy: Policy) -> str:
    rule = policy.rule
    what = "group" if policy.groups else "label"
    scaled = "each label's scores are scaled (Platt)" if policy.label_scaling else None
    tempered = f"logits are divided by {policy.temperature:.4g}" if policy.temperature != 1.0 else None
    honest = " and ".join(each for each in (tempered, scaled) if each) or "scores are taken as they are"
    if isinstance(rule, PerLabelThresholdsRule):
        given = f"every {what} from its own threshold on is given"
    else:
        given = f"the most likely {what} is given"
    groups = "; ".join(f"{name}: {', '.join(members)}" for name, members in (policy.groups or {}).items())
    sure = f"confidence is {SCORES[rule.score or 'max_probability']}"
    doubt = rule.doubt_label if isinstance(rule, ArgmaxRule) else None
    between = f"; between two closer than {doubt.margin:g} the answer is {doubt.label!r}" if doubt else ""
    return f"First {honest}; then {given}{between}; {sure}." + (f" Groups: {groups}." if groups else "")


def _checks(policy: Policy) -> Iterator[Check]:
    rule = policy.rule
    if isinstance(rule, PerLabelThresholdsRule):
        if rule.min_confidence:
            yield Check(f"the confidence is below {rule.min_confidence:.6g}", Reason.LOW_CONFIDENCE)
        yield Check("no label reaches its threshold", Reason.NO_LABEL)
        if rule.off_below:
            yield Check("a label lies between off and on", Reason.UNCERTAIN_LABEL)
        if rule.max_labels:
            yield Check(f"there are more than {rule.max_labels} labels", Reason.TOO_MANY_LABELS)
        if rule.exclusive_labels:
            yield Check(f"{_either(rule.exclusive_labels)} stands beside another", Reason.CONTRADICTION)
    else:
        own = " (some labels have their own)" if rule.thresholds else ""
        raw = _log_sum(rule.min_confidence) if rule.score == "energy" else ""
        yield Check(f"the confidence is below {rule.min_confidence:.6g}{raw}{own}", Reason.LOW_CONFIDENCE)
        if isinstance(rule, ArgmaxRule) and rule.min_margin:
            yield Check(f"the two most likely are closer than {rule.min_margin:g}", Reason.SMALL_MARGIN)
    if rule.watched_labels:
        yield Check(f"the answer is {_either(rule.watched_labels)}", Reason.WATCHED_LABEL)
    if policy.text is not None:
        yield from _text_checks(policy.text)
    if policy.drift is not None and policy.drift.void_guarantee:
        yield Check("there was a drift alarm", Reason.GUARANTEE_VOID)
    if policy.audit is not None:
        yield Check("it was accepted and is copied by chance", Reason.AUDIT_SAMPLE)


def _log_sum(confidence: float) -> str:
    """The log-sum-exp that the energy's confidence stands for (`of_energy`, inverted)."""
    told = 2.0 * confidence - 1.0
    return f" (E below {told / (1.0 - abs(told)):.4g})" if abs(told) < 1.0 else ""


def _text_checks(text: TextRules) -> Iterator[Check]:
    if text.max_surprise is not None:
        rate = f" ({percent(text.false_alarm_rate)} of usual texts)" if text.false_alarm_rate else ""
        yield Check(f"its tokens are more surprising than {text.max_surprise:.4g}{rate}", Reason.OUT_OF_DOMAIN)
    if text.min_content_tokens is not None:
        yield Check(f"it has fewer than {text.min_content_tokens} tokens with a letter or digit", Reason.TOO_SHORT)
    if text.accept_truncated is False:
        yield Check("it is longer than the model reads", Reason.TRUNCATED)


def _labels(policy: Policy) -> Iterator[LabelLine]:
    rule = policy.rule
    watched = rule.watched_labels or ()
    own = rule.thresholds or {}
    for label in policy.answers:
        if isinstance(rule, PerLabelThresholdsRule):
            yield LabelLine(label, rule.thresholds[label], (rule.off_below or {}).get(label), label in watched)
        else:
            on = None if label in watched else own.get(label, rule.min_confidence)
            yield LabelLine(label, on, None, label in watched)


def _notes(policy: Policy) -> Iterator[str]:
    if policy.audit is not None:
        rates = ", ".join(f"{percent(each.rate)} below {each.confidence_below:g}" for each in policy.audit)
        yield f"Accepted records are copied to review by chance, by confidence: {rates}."
    if policy.drift is not None:
        void = (
            "; then nothing is accepted until it is started again or given another policy"
            if policy.drift.void_guarantee
            else ""
        )
        yield (
            f"Each worker compares its traffic with {len(policy.drift.bins)} bins of usual confidences; the chance of "
            f"a false alarm is at most {percent(policy.drift.false_alarms_per_day)} a day{void}."
        )


def _either(labels: tuple[str, ...]) -> str:
    return labels[0] if len(labels) == 1 else f"one of {', '.join(labels)}"
