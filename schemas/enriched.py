"""The event of the output topic: one record with its labels, scores and provenance."""

from __future__ import annotations

from typing import Any, Final, Literal

from pydantic import Field

from schemas.fields import Event, Name, OpenProbability, Probability, Task, Time

ENRICHED_SCHEMA: Final = "emostream.enriched/1"
ENRICHED_TYPE: Final = "emostream.enriched.v1"


class Source(Event):
    """The input record that an event was made from."""

    topic: Name = Field(description="Topic of the input record.")
    partition: int = Field(ge=0, description="Partition of the input record.")
    offset: int = Field(ge=0, description="Offset of the input record in its partition.")
    timestamp: Time | None = Field(description="The input record's own timestamp; null when it has none.")


class Model(Event):
    """The model that made the scores."""

    name: Name = Field(description="The model as it was named: `builtin:NAME`, a directory or a Hub id.")
    revision: Name = Field(description="The resolved Hub commit, or `sha256:…` of the model folder's content.")
    task: Task = Field(
        description="`single_label`: the scores are a softmax; `multi_label`: each score is a sigmoid of its own."
    )


class Promise(Event):
    """What a policy promises about the accepted records."""

    target_risk: OpenProbability = Field(description="Largest share of wrong answers among the accepted records.")
    confidence: OpenProbability | None = Field(
        description="Probability with which the promise holds; null: it holds on average."
    )
    risk: str = Field(
        default="selective_risk", description="What is bounded: the share of wrong answers, or another risk."
    )
    stands: bool = Field(
        default=True, description="false: the traffic has changed (drift), and the promise may not hold."
    )


class PolicyRef(Event):
    """The policy that decided."""

    id: Name = Field(description="`sha256:…` of the policy file's canonical JSON.")
    threshold: Probability | None = Field(
        description="Confidence from which a record is accepted; null when the rule has no single threshold."
    )
    calibrated: bool = Field(default=False, description="Whether the policy's calibration changed the scores.")
    guarantee: Promise | None = Field(description="What the policy guarantees; null when it guarantees nothing.")


class Identity(Event):
    """The fields that every event and line begins with: what it is, of which record, and where that ended."""

    schema_: str = Field(alias="schema")
    id: Name
    source: Event
    outcome: str


class Decided(Event):
    """The fields of everything with a decision. Mixed in before `Identity`, they stand after it."""

    labels: tuple[str, ...] = Field(
        description="The decided labels, most likely first: one for single-label, zero or more for multi-label."
    )
    confidence: Probability = Field(description="How sure the decision is: what thresholds are compared with.")
    scores: dict[str, Probability] = Field(
        description="The score of every label of the model, calibrated by the policy."
    )
    model: Model
    policy: PolicyRef | None = Field(description="The policy that decided; null without one.")
    audit_probability: Probability | None = Field(
        default=None,
        description="Probability with which this accepted record was copied to the review topic, for estimates from "
        "the copies; null when abstained, or when nothing is copied.",
    )
    truncated: bool = Field(description="True when the text was longer than the model reads, and was cut.")
    tokens: int = Field(ge=0, description="Tokens that the model read, special ones included.")
    processed_at: Time = Field(description="When the event was made.")
    payload: Any = Field(description='The input\'s JSON value, unchanged; `{"text": …}` for text input.')


class EnrichedEvent(Decided, Identity):
    """Value of a record in the output topic."""

    schema_: Literal["emostream.enriched/1"] = Field(alias="schema", description="Name and version of this schema.")
    id: Name = Field(
        description="`topic/partition/offset` of the input record: the same whenever the record is processed again."
    )
    source: Source
    outcome: Literal["accepted", "abstained"] = Field(
        description="`accepted`; `abstained` only where `decision.publish_abstained` is on."
    )
