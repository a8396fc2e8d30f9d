"""The rules a policy may hold: what is answered, and which answers a person should look at.

Data only; what a rule *does* is worker.decision's business. A new rule is a subclass of `RuleBase` with its own `kind`,
added to `Rules`. Every key but the first of a rule may be left out, and then checks nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from schemas.fields import Document, Name, Probability, Task

SingleScore = Literal["max_probability", "margin", "entropy", "energy"]
ItemScore = Literal["max_probability", "mean_emitted", "set_probability"]


class RuleBase(Document):
    """A rule that decides. `task` is the only task it is for."""

    task: ClassVar[Task]

    def check_labels(self, labels: Sequence[str]) -> None:
        """Raise ValueError, in one line, when the rule does not fit the labels it answers with."""


class DoubtLabel(Document):
    """A label of its own for texts between two labels."""

    label: Name = Field(description="What is answered, e.g. `neutral`; need not be a label of the model.")
    margin: Probability = Field(description="Answered when the two most likely labels are closer than this.")


class MostLikelyRule(RuleBase):
    """What the rules with one answer share; never used by itself."""

    min_confidence: Probability = Field(description="Abstain (`low_confidence`) below this confidence.")
    score: SingleScore | None = Field(
        default=None,
        description="What the confidence is: `max_probability` (also when null), `margin` (best minus second), "
        "`entropy` (1 minus the entropy over its maximum), `energy` ((1 + E / (1 + |E|)) / 2 for the log-sum-exp E of "
        "the logits, before any temperature).",
    )
    thresholds: dict[str, Probability] | None = Field(
        default=None, description="For some labels another `min_confidence`."
    )
    watched_labels: tuple[Name, ...] | None = Field(
        default=None, description="Labels that a person always sees (`watched_label`)."
    )

    def check_labels(self, labels: Sequence[str]) -> None:
        _refuse_unknown("rule.thresholds", self.thresholds, labels)
        _refuse_unknown("rule.watched_labels", self.watched_labels, labels)


class ArgmaxRule(MostLikelyRule):
    """Single-label: the most likely label, accepted when its confidence is at least `min_confidence`."""

    task = Task.SINGLE_LABEL

    kind: Literal["argmax"] = Field(default="argmax", description="Name of the rule.")
    min_margin: Probability | None = Field(
        default=None, description="Abstain (`small_margin`) when the two most likely labels are closer than this."
    )
    doubt_label: DoubtLabel | None = Field(
        default=None, description="Answer another label instead of abstaining between two; excludes a guarantee."
    )


class TopLabelRule(MostLikelyRule):
    """Multi-label: the most likely label alone, accepted when its confidence is at least `min_confidence`."""

    task = Task.MULTI_LABEL

    kind: Literal["top_label"] = Field(default="top_label", description="Name of the rule.")
    score: Literal["max_probability"] | None = Field(
        default=None, description="What the confidence is: `max_probability`."
    )


class PerLabelThresholdsRule(RuleBase):
    """Multi-label: every label whose score is at least its own threshold; none at all abstains (`no_label`)."""

    task = Task.MULTI_LABEL

    kind: Literal["per_label_thresholds"] = Field(default="per_label_thresholds", description="Name of the rule.")
    thresholds: dict[str, Probability | None] = Field(
        description="The threshold of every label of the model; a label with null is never given."
    )
    off_below: dict[str, Probability] | None = Field(
        default=None,
        description="For some labels a lower threshold: between the two the label is unsure, and the text abstains "
        "(`uncertain_label`).",
    )
    max_labels: int | None = Field(
        default=None, ge=1, description="Abstain (`too_many_labels`) when more labels are given."
    )
    exclusive_labels: tuple[Name, ...] | None = Field(
        default=None, description="Labels, e.g. `neutral`, that abstain (`contradiction`) beside any other."
    )
    watched_labels: tuple[Name, ...] | None = Field(
        default=None, description="Labels that a person always sees (`watched_label`)."
    )
    min_confidence: Probability | None = Field(
        default=None, description="Abstain (`low_confidence`) below this confidence."
    )
    score: ItemScore | None = Field(
        default=None,
        description="What the confidence is: `max_probability` (also when null), `mean_emitted` (mean score of the "
        "labels given), `set_probability` (that all labels are as given, were they independent).",
    )

    def check_labels(self, labels: Sequence[str]) -> None:
        missing = [label for label in labels if label not in self.thresholds]
        if missing:
            raise ValueError(f"rule.thresholds: no threshold for {listed(missing)}")
        _refuse_unknown("rule.thresholds", self.thresholds, labels)
        _refuse_unknown("rule.off_below", self.off_below, labels)
        _refuse_unknown("rule.exclusive_labels", self.exclusive_labels, labels)
        _refuse_unknown("rule.watched_labels", self.watched_labels, labels)
        above = [label for label, off in (self.off_below or {}).items() if off > (self.thresholds[label] or 1.0)]
        if above:
            raise ValueError(f"rule.off_below: above the threshold of {listed(above)}")


Rules = ArgmaxRule | TopLabelRule | PerLabelThresholdsRule
Rule = Annotated[Rules, Field(discriminator="kind")]


def _refuse_unknown(key: str, named: Iterable[str] | None, labels: Sequence[str]) -> None:
    unknown = [label for label in named or () if label not in labels]
    if unknown:
        raise ValueError(f"{key}: not a label of the model: {listed(unknown)}")


def listed(names: Sequence[str]) -> str:
    """At most five names, so that a line stays a line."""
    shown = ", ".join(repr(name) for name in names[:5])
    return f"{shown} and {len(names) - 5} more" if len(names) > 5 else shown
