"""The policy file: the frozen rules that turn a prediction into a decision, with provenance.

`load_policy` reads one, `policy_id` names it. What the rules *do* is worker.decision's business; here stands what may
be written, and every mistake is one line that names the key.

A new rule is a subclass of `RuleBase` with its own `kind`, added to `Rules`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, ClassVar, Final, Literal, Self

from pydantic import Field, ValidationError, model_validator

from schemas.fields import Document, Finite, Name, OpenProbability, Probability, Task, Time

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


class RuleBase(Document):
    """A rule that decides. `task` is the only task it is for."""

    task: ClassVar[Task]

    def check_labels(self, labels: Sequence[str]) -> None:
        """Raise ValueError, in one line, when the rule does not fit the model's labels."""


class ArgmaxRule(RuleBase):
    """Single-label: the most likely label, accepted when its score is at least `min_confidence`."""

    task = Task.SINGLE_LABEL

    kind: Literal["argmax"] = Field(default="argmax", description="Name of the rule.")
    min_confidence: Probability = Field(description="Abstain (`low_confidence`) below this score.")


class PerLabelThresholdsRule(RuleBase):
    """Multi-label: every label whose score is at least its own threshold; none at all abstains (`no_label`)."""

    task = Task.MULTI_LABEL

    kind: Literal["per_label_thresholds"] = Field(default="per_label_thresholds", description="Name of the rule.")
    thresholds: dict[str, Probability] = Field(description="The threshold of every label of the model.")

    def check_labels(self, labels: Sequence[str]) -> None:
        missing = [label for label in labels if label not in self.thresholds]
        unknown = [label for label in self.thresholds if label not in labels]
        if missing:
            raise ValueError(f"rule.thresholds: no threshold for {_listed(missing)}")
        if unknown:
            raise ValueError(f"rule.thresholds: not a label of the model: {_listed(unknown)}")


Rules = ArgmaxRule | PerLabelThresholdsRule
Rule = Annotated[Rules, Field(discriminator="kind")]


class Guarantee(Document):
    """What was proven on the calibration data, and how."""

    method: Name = Field(description="The procedure that chose the thresholds, e.g. `ltt_fixed_sequence` or `sgr`.")
    target_risk: OpenProbability = Field(description="Largest share of wrong answers among the accepted records.")
    confidence: OpenProbability = Field(description="Probability, over calibration sets, that the promise holds.")
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
    rule: Rule = Field(description="What is decided, and when a record is accepted: one of the rules, told by `kind`.")
    guarantee: Guarantee | None = Field(default=None, description="What the rule guarantees; null when nothing.")
    data_fingerprint: Name | None = Field(
        default=None, description="`sha256:…` of the labelled data it was made from; null when there was none."
    )
    created_at: Time = Field(description="When the policy was made, with a time zone.")

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        repeated = sorted({label for label in self.labels if self.labels.count(label) > 1})
        if repeated:
            raise ValueError(f"labels: named twice: {_listed(repeated)}")
        if self.rule.task is not self.task:
            raise ValueError(f"rule.kind: {self.rule.kind} is for {self.rule.task} models, this one is {self.task}")
        self.rule.check_labels(self.labels)
        return self


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
        raise ValueError(f"key named twice: {_listed(sorted({name for name in names if names.count(name) > 1}))}")
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


def _listed(names: Sequence[str]) -> str:
    """At most five names, so that a line stays a line."""
    shown = ", ".join(repr(name) for name in names[:5])
    return f"{shown} and {len(names) - 5} more" if len(names) > 5 else shown


_PLAIN_WORDS: Final = {
    "extra_forbidden": "unknown key",
    "missing": "missing",
    "union_tag_invalid": "no such kind {tag!r}, known are {expected_tags}",
    "union_tag_not_found": "missing {discriminator}",
    "timezone_aware": "needs a time zone, e.g. 2026-11-21T10:00:00Z",
}
