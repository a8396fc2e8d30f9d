"""The event of the review topic, and the closed list of reasons for which a record gets there."""

from __future__ import annotations

from enum import StrEnum
from typing import Final, Literal

from pydantic import Field

from schemas.enriched import Decided, Identity, Source
from schemas.fields import Name

REVIEW_SCHEMA: Final = "emostream.review/1"
REVIEW_TYPE: Final = "emostream.review.v1"


class Reason(StrEnum):
    """Why a person should look at a record. The order of the members is their order in an event's `reasons`."""

    LOW_CONFIDENCE = "low_confidence"
    SMALL_MARGIN = "small_margin"
    NO_LABEL = "no_label"
    UNCERTAIN_LABEL = "uncertain_label"
    TOO_MANY_LABELS = "too_many_labels"
    CONTRADICTION = "contradiction"
    WATCHED_LABEL = "watched_label"
    OUT_OF_DOMAIN = "out_of_domain"
    TOO_SHORT = "too_short"
    TRUNCATED = "truncated"
    GUARANTEE_VOID = "guarantee_void"
    AUDIT_SAMPLE = "audit_sample"


REASON_MEANINGS: Final[dict[Reason, str]] = {
    Reason.LOW_CONFIDENCE: "The confidence is below the threshold.",
    Reason.SMALL_MARGIN: "The two most likely labels are too close.",
    Reason.NO_LABEL: "Multi-label: no label reached its threshold.",
    Reason.UNCERTAIN_LABEL: "Multi-label: a label is neither clearly on nor clearly off.",
    Reason.TOO_MANY_LABELS: "Multi-label: more labels than the policy allows for one text.",
    Reason.CONTRADICTION: "Multi-label: labels that exclude each other.",
    Reason.WATCHED_LABEL: "A label that the policy always sends to a person.",
    Reason.OUT_OF_DOMAIN: "The text is unlike those the model was trained on.",
    Reason.TOO_SHORT: "The text is too short to judge.",
    Reason.TRUNCATED: "The text was cut, and the policy does not accept cut texts.",
    Reason.GUARANTEE_VOID: "The policy's guarantee does not hold at the moment.",
    Reason.AUDIT_SAMPLE: "Accepted, and copied here by chance, so that quality can be checked.",
}


class Reasoned(Identity):
    """What begins an event or line that says why a person should look at the record."""

    reasons: tuple[Reason, ...] = Field(description="Why a person should look at it, most important first.")


class ReviewEvent(Decided, Reasoned):
    """Value of a record in the review topic: the fields of an enriched event, and why a person should look at it."""

    schema_: Literal["emostream.review/1"] = Field(alias="schema", description="Name and version of this schema.")
    id: Name = Field(
        description="`topic/partition/offset` of the input record: the same whenever the record is processed again."
    )
    source: Source
    outcome: Literal["abstained", "accepted"] = Field(description="`abstained`; `accepted` for an audit copy.")
    reasons: tuple[Reason, ...] = Field(min_length=1, description="Why it is here, most important first; never empty.")
