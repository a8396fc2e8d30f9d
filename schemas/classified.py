"""The lines that `emostream classify` writes: one JSON object per text, in input order.

A line has the fields of an event; only `source` differs, and `reasons` is always there.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import Field, TypeAdapter

from schemas.dead_letter import DeadReason, Stage
from schemas.enriched import Decided
from schemas.fields import Event, Name
from schemas.review import Reason, Reasoned

CLASSIFIED_SCHEMA: Final = "emostream.classified/1"


class FileSource(Event):
    """Where in the input a text stood."""

    file: Name = Field(description="The input file as it was named; `-` for standard input.")
    line: int = Field(ge=1, description="Number of the text in the file, from 1 (CSV: without the header row).")


class Failure(Event):
    """Why a text has no decision."""

    stage: Stage = Field(description="Where it failed.")
    reason: DeadReason = Field(description="Why, from the closed list of dead letters.")
    message: str = Field(description="What went wrong, in one line without any message text.")


class ClassifiedText(Decided, Reasoned):
    """A text with its decision."""

    schema_: Literal["emostream.classified/1"] = Field(alias="schema", description="Name and version of this schema.")
    id: Name = Field(description="`file/line`.")
    source: FileSource
    outcome: Literal["accepted", "abstained"] = Field(description="Where `run` would have sent it.")
    reasons: tuple[Reason, ...] = Field(description="Why a person should look at it, most important first; else empty.")


class UnclassifiedText(Reasoned):
    """A text that could not be classified."""

    schema_: Literal["emostream.classified/1"] = Field(alias="schema", description="Name and version of this schema.")
    id: Name = Field(description="`file/line`.")
    source: FileSource
    outcome: Literal["dead"] = Field(description="`dead`: `run` would have sent it to the dead-letter topic.")
    reasons: tuple[Reason, ...] = Field(max_length=0, description="Always empty: nothing was decided.")
    error: Failure = Field(description="Why it could not be classified.")


ClassifiedLine = Annotated[ClassifiedText | UnclassifiedText, Field(discriminator="outcome")]

CLASSIFIED_LINE: Final[TypeAdapter[ClassifiedText | UnclassifiedText]] = TypeAdapter(ClassifiedLine)
