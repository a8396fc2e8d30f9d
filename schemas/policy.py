"""The policy file: the frozen rules that turn a prediction into a decision, with provenance.

`load_policy` reads one, `policy_id` names it. What the rules *do* is worker.decision's business; here stands what may
be written, and every mistake is one line that names the key. The rules themselves are in `schemas.rules`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self

from pydantic import Field, ValidationError, model_validator

from schemas.fields import Document, Finite, Name, OpenProbability, Probability, Task, Time
from schemas.rules import ArgmaxRule as ArgmaxRule
from schemas.rules import PerLabelThresholdsRule as PerLabelThresholdsRule
from schemas.rules import Rule, listed
from schemas.rules import Rules as Rules
from schemas.rules import TopLabelRule as TopLabelRule

Risk = Literal["selective_risk", "label_risk", "wrong_emitted", "exact_match_error", "false_negatives"]
POLICY_SCHEMA: Final = "emostream.policy/1"


class InvalidPolicy(ValueError):
    """The file is not a policy; `str()` is one line that names the file, the key and what is wrong."""


class PolicyModel(Document):
    """The model the policy belongs to; another one is refused."""

    name: Name = Field(description="The model as it was named: `builtin:NAME`, a directory or a Hub id.")
    revision: Name = Field(description="The resolved Hub commit, or `sha256:…` of the model folder's content.")


class PolicyEngine(Document):
    """The engine the policy was calibrated on: precision moves probabilities."""

    backend: Name = Field(description="`torch` or `openvino`.")
    precision: Name = Field(description="`float32`, `bfloat16`, `float16` or `int8`.")


class Scaling(Document):
    """Platt scaling of one label (Platt 1999): its logit becomes `slope * logit + shift`."""

    slope: Finite = Field(gt=0, description="Above 1 sharpens, below 1 flattens; 1 over the label's temperature.")
    shift: Finite = Field(description="Raises or lowers the label; 0 for a temperature alone.")


class TextRules(Document):
    """Texts that a person should look at whatever the model says of them."""

    min_content_tokens: int | None = Field(
        default=None, ge=1, description="Abstain (`too_short`) below as many tokens with a letter or digit."
    )
    max_surprise: Finite | None = Field(
        default=None,
        description="Abstain (`out_of_domain`) above this token surprise: how much rarer the text's tokens are in the "
        "model's training texts than is usual, in standard deviations.",
    )
    false_alarm_rate: OpenProbability | None = Field(
        default=None, description="Share of in-domain texts above `max_surprise`, estimated when it was set."
    )
    surprise_table: Name | None = Field(
        default=None, description="`sha256:…` of the model's `surprise.npz`, which `max_surprise` was set with."
    )
    accept_truncated: bool | None = Field(
        default=None, description="false: abstain (`truncated`) when the text was cut."
    )


class AuditStratum(Document):
    """How many accepted records are copied to the review topic, for confidences up to a bound."""

    confidence_below: Probability = Field(description="For confidences below this; the last stratum must say 1.")
    rate: Probability = Field(description="Probability with which a record of this stratum is copied.")


class DriftBin(Document):
    """One bin of the reference histogram of confidences."""

    confidence_below: Probability = Field(description="For confidences below this; the last bin must say 1.")
    share: Probability = Field(description="Share of the reference texts in this bin.")
    least: Probability = Field(description="The share among all such texts is hardly below this.")
    most: Probability = Field(description="The share among all such texts is hardly above this.")


class DriftCheck(Document):
    """The confidences that are usual, and when to say that they are not any more."""

    bins: tuple[DriftBin, ...] = Field(min_length=1, description="The usual confidences, as a histogram.")
    false_alarms_per_day: OpenProbability = Field(
        description="Probability of an alarm on a day on which nothing has changed: half of it for the bounds of all "
        "bins together, half for the live traffic."
    )
    void_guarantee: bool = Field(
        description="true: after an alarm nothing is accepted (`guarantee_void`) until the worker is started again or "
        "takes over another policy."
    )

    @model_validator(mode="after")
    def _bounds(self) -> Self:
        _check_ascending("drift.bins", [each.confidence_below for each in self.bins])
        if not all(each.least <= each.share <= each.most for each in self.bins):
            raise ValueError("drift.bins: share must lie between least and most")
        return self


class Guarantee(Document):
    """What was proven on the calibration data, and how."""

    method: Name = Field(description="The procedure that chose the thresholds, e.g. `ltt_fixed_sequence` or `sgr`.")
    risk: Risk | None = Field(
        default=None,
        description="What is bounded: `selective_risk` (also when null), `label_risk` (of every label by itself), "
        "`wrong_emitted`, `exact_match_error`, `false_negatives`.",
    )
    target_risk: OpenProbability = Field(description="Largest share of wrong answers among the accepted records.")
    confidence: OpenProbability | None = Field(
        description="Probability, over calibration sets, that the promise holds; null: it holds on average over them."
    )
    calibration_size: int = Field(ge=1, description="Number of labelled examples it was calibrated on.")
    coverage: Probability = Field(description="Share of the calibration examples that the rule accepts.")
    bound: Probability = Field(description="Upper confidence bound of the selective risk at the chosen thresholds.")


class Policy(Document):
    """A policy file (`emostream.policy/1`): rules and the model, engine and data they were made for."""

    schema_: Literal["emostream.policy/1"] = Field(alias="schema", description="Name and version of this schema.")
    model: PolicyModel
    engine: PolicyEngine
    task: Task = Field(description="`single_label` or `multi_label`: the model's own.")
    labels: tuple[Name, ...] = Field(min_length=1, description="The model's labels, in the order of its scores.")
    temperature: Finite = Field(
        gt=0, description="Logits are divided by it before softmax or sigmoid; 1 changes nothing."
    )
    label_scaling: dict[str, Scaling] | None = Field(
        default=None, description="Multi-label: how each label's logit is scaled, after the temperature."
    )
    groups: dict[Name, Annotated[tuple[Name, ...], Field(min_length=1)]] | None = Field(
        default=None,
        description="Names of groups and the labels in each, every label in one: the rule answers with groups. A "
        "group's score is the sum of its labels' (multi-label: that any is true, were they independent).",
    )
    rule: Rule = Field(description="What is decided, and when a record is accepted: one of the rules, told by `kind`.")
    text: TextRules | None = Field(default=None, description="Texts that abstain whatever the model says of them.")
    audit: tuple[AuditStratum, ...] | None = Field(
        default=None,
        description="Accepted records copied to the review topic, by confidence; `decision.audit_rate` is the least.",
    )
    drift: DriftCheck | None = Field(default=None, description="How it is noticed that the traffic has changed.")
    guarantee: Guarantee | None = Field(default=None, description="What the rule guarantees; null when nothing.")
    data_fingerprint: Name | None = Field(
        default=None, description="`sha256:…` of the labelled data it was made from; null when there was none."
    )
    created_at: Time = Field(description="When the policy was made, with a time zone.")

    @property
    def answers(self) -> tuple[str, ...]:
        """What the rule chooses from: the groups, or else the labels."""
        return tuple(self.groups) if self.groups else self.labels

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        repeated = sorted({label for label in self.labels if self.labels.count(label) > 1})
        if repeated:
            raise ValueError(f"labels: named twice: {listed(repeated)}")
        if self.rule.task is not self.task:
            raise ValueError(f"rule.kind: {self.rule.kind} is for {self.rule.task} models, this one is {self.task}")
        if self.groups is not None:
            _check_groups(self.groups, self.labels)
        self.rule.check_labels(self.answers)
        if self.label_scaling is not None:
            _check_scaling(self.label_scaling, self.labels, self.task)
        if self.audit is not None:
            _check_ascending("audit", [stratum.confidence_below for stratum in self.audit])
        if self.guarantee and isinstance(self.rule, ArgmaxRule) and self.rule.doubt_label:
            raise ValueError("rule.doubt_label: no guarantee covers its answers: leave out one of the two")
        return self


def _check_groups(groups: Mapping[str, Sequence[str]], labels: Sequence[str]) -> None:
    grouped = [label for members in groups.values() for label in members]
    if sorted(grouped) != sorted(labels):
        astray = sorted({*grouped} ^ {*labels}) or sorted({label for label in grouped if grouped.count(label) > 1})
        raise ValueError(f"groups: every label of the model must be in one group: {listed(astray)}")


def _check_scaling(scaling: Mapping[str, Scaling], labels: Sequence[str], task: Task) -> None:
    if task is Task.SINGLE_LABEL:
        raise ValueError("label_scaling: is for multi_label models; for this one set temperature")
    if sorted(scaling) != sorted(labels):
        raise ValueError(f"label_scaling: needs every label of the model: {listed(sorted({*scaling} ^ {*labels}))}")


def _check_ascending(key: str, bounds: Sequence[float]) -> None:
    if list(bounds) != sorted(set(bounds)) or list(bounds[-1:]) != [1.0]:
        raise ValueError(f"{key}: confidence_below must ascend, and the last must be 1")


def policy_id(policy: Policy) -> str:
    """`sha256:…` of the policy's canonical JSON: keys sorted, no spaces, keys that are null left out.

    The same for two files that say the same, however they are written; a null key that a later version of the schema
    adds does not change it.
    """
    values = policy.model_dump(mode="json", exclude_none=True)
    canonical = json.dumps(values, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return f"sha256:{hashlib.sha256(canonical.encode()).hexdigest()}"


def load_policy(path: Path) -> Policy:
    """Read and check a policy file. Raises InvalidPolicy."""
    try:
        return parse_policy(path.read_bytes())
    except OSError as error:
        raise InvalidPolicy(f"{path}: {error.strerror or error}") from error
    except InvalidPolicy as error:
        raise InvalidPolicy(f"{path}: {error}") from error.__cause__


def parse_policy(content: bytes) -> Policy:
    """The policy that a file's content says. Raises InvalidPolicy."""
    try:
        json.loads(content, object_pairs_hook=_refuse_repeated_keys)
        return Policy.model_validate_json(content)
    except ValidationError as error:
        raise InvalidPolicy(_one_line(error)) from error
    except (ValueError, RecursionError) as error:
        raise InvalidPolicy(f"not a JSON document: {error}") from error


def dump_policy(policy: Policy) -> str:
    """The policy as a file's content, for a person to read."""
    return policy.model_dump_json(indent=2, exclude_none=False) + "\n"


def _refuse_repeated_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    keys = dict(pairs)
    if len(keys) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"key named twice: {listed(sorted({name for name in names if names.count(name) > 1}))}")
    return keys


def _one_line(error: ValidationError) -> str:
    """The first thing that is wrong, as `key.key: what`, and how many more there are."""
    problems = error.errors(include_url=False)
    first = problems[0]
    steps = [str(step) for step in first["loc"]]
    if steps[:1] == ["rule"]:
        del steps[1:2]  # pydantic puts the rule's kind there, which is no key of the file
    template = _PLAIN_WORDS.get(first["type"])
    what = template.format(**first.get("ctx", {})) if template else str(first["msg"])
    what = what.removeprefix("Value error, ").removeprefix("Input ")
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    return f"{'.'.join(steps)}: {what}{more}" if steps else f"{what}{more}"


_PLAIN_WORDS: Final = {
    "extra_forbidden": "unknown key",
    "missing": "missing",
    "union_tag_invalid": "no such kind {tag!r}, known are {expected_tags}",
    "union_tag_not_found": "missing {discriminator}",
    "timezone_aware": "needs a time zone, e.g. 2026-11-21T10:00:00Z",
}
