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


class Engine(Event):
    """What ran the model: a policy belongs to a kind of engine."""

    backend: Name = Field(description="`torch` or `openvino`.")
    precision: Name = Field(description="`float32`, `bfloat16`, `float16` or `int8`.")


class Domain(Event):
    """How usual the text's tokens are, for policies that judge texts; nothing the model says."""

    surprise: float = Field(
        description="Token surprise: how much rarer the text's tokens are in the model's training texts than is usual, "
        "in standard deviations."
    )
    content_tokens: int = Field(ge=0, description="Tokens with a letter or digit.")
    table: Name = Field(description="`sha256:…` of the model's `surprise.npz`.")


class ClassifiedText(Decided, Reasoned):
    """A text with its decision."""

    schema_: Literal["emostream.classified/1"] = Field(alias="schema", description="Name and version of this schema.")
    id: Name = Field(description="`file/line`.")
    source: FileSource
    outcome: Literal["accepted", "abstained"] = Field(description="Where `run` would have sent it.")
    reasons: tuple[Reason, ...] = Field(description="Why a person should look at it, most important first; else empty.")
    engine: Engine | None = Field(default=None, description="What ran the model; `calibrate` ties its policy to it.")
    energy: float | None = Field(
        default=None,
        description="Log-sum-exp of the model's logits; null when it gives several labels. What a policy whose score "
        "is `energy` goes by.",
    )
    domain: Domain | None = Field(
        default=None, description="How usual the tokens are; null when the model has no table of token surprise."
    )


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
