"""What all schemas are made of: the frozen bases, and the field types that more than one of them uses."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, PlainSerializer


class Event(BaseModel):
    """A part of an event. Unknown keys are ignored: a later worker may add fields to the same schema version."""

    model_config = ConfigDict(frozen=True, extra="ignore", serialize_by_alias=True, allow_inf_nan=False)


class Document(BaseModel):
    """A part of a file that a person may write. Unknown keys and values of another type are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, serialize_by_alias=True)


class Task(StrEnum):
    """What the scores mean: one label of several (softmax), or each label for itself (sigmoid)."""

    SINGLE_LABEL = "single_label"
    MULTI_LABEL = "multi_label"


def render_time(moment: datetime) -> str:
    """The one form of a time in events: UTC, milliseconds, `Z` (`2026-11-21T10:00:00.061Z`)."""
    utc = moment.astimezone(UTC)
    # %Y leaves out leading zeros
    return f"{utc.year:04d}-{utc:%m-%dT%H:%M:%S}.{utc.microsecond // 1000:03d}Z"


def _in_the_calendar(moment: datetime) -> datetime:
    try:
        moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("must lie between the years 1 and 9999 in UTC") from None
    return moment


def _finite(number: float) -> float:
    if not math.isfinite(number):
        raise ValueError("must be a finite number")
    return number


Time = Annotated[
    AwareDatetime, AfterValidator(_in_the_calendar), PlainSerializer(render_time, return_type=str, when_used="json")
]
Probability = Annotated[float, Field(ge=0, le=1)]
OpenProbability = Annotated[float, Field(gt=0, lt=1)]
Finite = Annotated[float, AfterValidator(_finite)]
Name = Annotated[str, Field(min_length=1)]
