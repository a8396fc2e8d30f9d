"""What a policy shall be: what is to be promised and by which method, which rules stand beside it.

Plain data, checked as a whole: what does not go together is one line. How it is made is `worker.learning.calibrate`'s.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from schemas.rules import DoubtLabel
from worker.errors import ConfigError
from worker.learning.choices import LabelThresholds, Method, Risk, Scaling, Score
from worker.learning.guarantees import Promise

SETS = frozenset({Risk.WRONG_EMITTED, Risk.EXACT_MATCH_ERROR})
SINGLE_RISKS = frozenset({Risk.SELECTIVE_RISK, Risk.LABEL_RISK})
SINGLE_SCORES = frozenset({Score.BEST, Score.MAX_PROBABILITY, Score.MARGIN, Score.ENTROPY, Score.ENERGY})
ITEM_SCORES = frozenset({Score.BEST, Score.MAX_PROBABILITY, Score.MEAN_EMITTED, Score.SET_PROBABILITY})
CHOOSERS = frozenset({Method.LTT, Method.SGR, Method.EMPIRICAL})
"""The methods that choose a threshold by a target."""


@dataclass(frozen=True, kw_only=True)
class TextWishes:
    """What the texts themselves are judged by. `false_alarm_rate` 0 and `min_content_tokens` 0: not at all; None:
    where the model has a table for it, by the usual values."""

    false_alarm_rate: float | None = None
    min_content_tokens: int | None = None
    review_truncated: bool = False


@dataclass(frozen=True, kw_only=True)
class AfterWishes:
    """What happens once the policy runs: copies for audits, the watch for drift (0: none)."""

    audit_rate: float = 0.0
    audit_strata: int = 4
    false_alarms_per_day: float = 0.01
    void_guarantee: bool = False


@dataclass(frozen=True, kw_only=True)
class Wishes:
    """`promise` is None where nothing is promised; `confidence` then still holds for a budget."""

    promise: Promise | None
    confidence: float = 0.9
    risk: Risk | None = None
    method: Method = Method.LTT
    review_share: float | None = None
    threshold: float | None = None
    score: Score = Score.BEST
    scaling: Scaling = Scaling.AUTO
    label_thresholds: LabelThresholds = LabelThresholds.F1
    min_margin: float | None = None
    doubt: DoubtLabel | None = None
    watched: tuple[str, ...] = ()
    exclusive: tuple[str, ...] = ()
    max_labels: int | None = None
    off_risk: float | None = None
    groups: Mapping[str, tuple[str, ...]] | None = None
    text: TextWishes = TextWishes()
    after: AfterWishes = AfterWishes()

    def bounded(self, *, multi_label: bool) -> Risk:
        """What is bounded: as wished, or what is usual for the task."""
        return self.risk or (Risk.WRONG_EMITTED if multi_label else Risk.SELECTIVE_RISK)

    @property
    def guarantees(self) -> bool:
        return self.promise is not None and self.method is not Method.EMPIRICAL

    def check(self, labels: tuple[str, ...], *, multi_label: bool) -> None:
        """Raise ConfigError, in one line, for what does not go together or does not suit the model."""
        risk = self.bounded(multi_label=multi_label)
        for wrong, message in (*self._method_faults(risk), *self._rule_faults(risk, multi_label)):
            if wrong:
                raise ConfigError(message)
        if self.groups is not None:
            _check_groups(self.groups, labels)
        known = tuple(self.groups) if self.groups else labels
        for option, named in (("--watch", self.watched), ("--exclusive", self.exclusive)):
            unknown = [label for label in named if label not in known]
            if unknown:
                raise ConfigError(f"{option}: {unknown[0]!r} is none of {', '.join(known)}")

    def _method_faults(self, risk: Risk) -> tuple[tuple[bool, str], ...]:
        return (
            (self.method in CHOOSERS and self.promise is None, f"--method {self.method} needs --target-risk"),
            (self.method is Method.BUDGET and self.review_share is None, "--method budget needs --review-share"),
            (self.method is not Method.BUDGET and self.review_share is not None, "--review-share: say --method budget"),
            (self.method is Method.FIXED and self.threshold is None, "--method fixed needs --threshold"),
            (self.method is not Method.FIXED and self.threshold is not None, "--threshold: say --method fixed"),
            (
                risk in (Risk.LABEL_RISK, Risk.FALSE_NEGATIVES) and self.method is not Method.LTT,
                f"--risk {risk} has a method of its own: leave --method out",
            ),
            (
                self.label_thresholds is LabelThresholds.COMMON and self.method is not Method.LTT,
                "--label-thresholds common goes with --method ltt only",
            ),
            (self.guarantees and self.doubt is not None, "--doubt-label: no promise covers its answers: leave one out"),
        )

    def _rule_faults(self, risk: Risk, multi_label: bool) -> tuple[tuple[bool, str], ...]:
        sets = multi_label and risk in SETS and self.label_thresholds is LabelThresholds.F1
        item_rules = bool(self.exclusive or self.max_labels or self.off_risk)
        scores = ITEM_SCORES if sets else SINGLE_SCORES
        top_label = multi_label and risk is Risk.SELECTIVE_RISK
        return (
            (not multi_label and risk not in SINGLE_RISKS, f"--risk {risk} is for multi-label models"),
            (not multi_label and self.scaling is Scaling.PLATT, "--scaling platt is for multi-label models"),
            (not multi_label and item_rules, "--exclusive, --max-labels and --off-risk are for multi-label models"),
            (
                multi_label and not sets and item_rules,
                "--exclusive, --max-labels and --off-risk go with --risk wrong_emitted or exact_match_error",
            ),
            (
                multi_label and not sets and risk is not Risk.SELECTIVE_RISK and bool(self.watched),
                "--watch goes with --risk selective_risk, wrong_emitted or exact_match_error",
            ),
            (
                multi_label and (self.min_margin is not None or self.doubt is not None),
                "--min-margin and --doubt-label are for models that give one label",
            ),
            (self.score not in scores, f"--score {self.score}: choose from {', '.join(sorted(scores))}"),
            (
                top_label and self.score not in (Score.BEST, Score.MAX_PROBABILITY),
                "--score: the most likely label of a multi-label model goes by max_probability",
            ),
            (
                not multi_label and self.label_thresholds is LabelThresholds.COMMON,
                "--label-thresholds is for multi-label models",
            ),
        )


def _check_groups(groups: Mapping[str, tuple[str, ...]], labels: tuple[str, ...]) -> None:
    grouped = [label for members in groups.values() for label in members]
    for label in grouped:
        if label not in labels:
            raise ConfigError(f"--groups: {label!r} is none of the model's labels ({', '.join(labels)})")
        if grouped.count(label) > 1:
            raise ConfigError(f"--groups: {label!r} stands in two groups")
    missing = [label for label in labels if label not in grouped]
    if missing:
        raise ConfigError(f"--groups: {missing[0]!r} stands in no group")
