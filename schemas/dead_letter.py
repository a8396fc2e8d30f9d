"""The headers of a dead letter: the original record, byte for byte, is its key, value and other headers.

Owns the way between header lists and `DeadLetterHeaders`; the closed lists of stages and reasons are `dead_reasons`'.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Final, Self

from pydantic import BeforeValidator, ConfigDict, Field, ValidationError, WithJsonSchema

from schemas.dead_reasons import DEAD_REASON_MEANINGS as DEAD_REASON_MEANINGS
from schemas.dead_reasons import DeadReason as DeadReason
from schemas.dead_reasons import Stage as Stage
from schemas.fields import Event

STAGE_HEADER: Final = "emostream-error-stage"
REASON_HEADER: Final = "emostream-error-reason"
MESSAGE_HEADER: Final = "emostream-error-message"
TOPIC_HEADER: Final = "emostream-source-topic"
PARTITION_HEADER: Final = "emostream-source-partition"
OFFSET_HEADER: Final = "emostream-source-offset"
TIMESTAMP_HEADER: Final = "emostream-source-timestamp"
GROUP_HEADER: Final = "emostream-group"
VERSION_HEADER: Final = "emostream-version"
OMITTED_BYTES_HEADER: Final = "emostream-omitted-bytes"
REPLAYS_HEADER: Final = "emostream-replays"
"""How often `dlq replay` has sent this record back to its topic: a header of the record itself, not of its letter."""

Header = tuple[str, bytes | None]


def _digits(described: str) -> Any:
    """How JSON Schema sees a number in a header: text of decimal digits."""
    return WithJsonSchema({"type": "string", "pattern": "^[0-9]+$", "description": described})


def _known_timestamp(milliseconds: int | str | None) -> int | None:
    """Kafka's own mark for a record without a timestamp is -1."""
    return None if milliseconds is None or int(milliseconds) < 0 else int(milliseconds)


def _plain_line(message: str) -> str:
    """One line that UTF-8 can write: no message may keep a record from its dead letter."""
    return " ".join(message.encode(errors="replace").decode().splitlines())


class DeadLetterHeaders(Event):
    """Our headers of a dead letter, in the order in which they stand, after the record's own. Values are UTF-8."""

    model_config = ConfigDict(validate_by_name=True, validate_by_alias=True)

    stage: Stage = Field(alias=STAGE_HEADER, description="Where the record failed.")
    reason: DeadReason = Field(alias=REASON_HEADER, description="Why, from a closed list.")
    message: Annotated[str, BeforeValidator(_plain_line)] = Field(
        alias=MESSAGE_HEADER, description="What went wrong, in one line without any message text."
    )
    source_topic: str = Field(alias=TOPIC_HEADER, description="Topic of the original record.")
    source_partition: Annotated[int, _digits("Partition of the original record.")] = Field(alias=PARTITION_HEADER, ge=0)
    source_offset: Annotated[int, _digits("Offset of the original record.")] = Field(alias=OFFSET_HEADER, ge=0)
    source_timestamp: Annotated[
        int | None,
        BeforeValidator(_known_timestamp),
        _digits("Timestamp of the original record in milliseconds since 1970; no header when it has none."),
    ] = Field(default=None, alias=TIMESTAMP_HEADER)
    group: str = Field(alias=GROUP_HEADER, description="Consumer group of the worker that gave the record up.")
    version: str = Field(alias=VERSION_HEADER, description="Version of that worker.")
    omitted_bytes: Annotated[
        int | None,
        _digits("Size of the original record, where it was too large for this topic and only its place is kept."),
    ] = Field(default=None, alias=OMITTED_BYTES_HEADER)

    def render(self) -> list[Header]:
        """The headers to append to the record's own."""
        values = self.model_dump(mode="json", by_alias=True, exclude_none=True)
        return [(name, str(value).encode()) for name, value in values.items()]

    @classmethod
    def parse(cls, headers: Sequence[Header]) -> Self:
        """Read ours out of a dead letter's headers. Raises ValueError, in one line, when it is not a dead letter."""
        return cls.split(headers)[1]

    @classmethod
    def split(cls, headers: Sequence[Header]) -> tuple[list[Header], Self]:
        """A dead letter's headers as the record's own (as they came) and ours. Raises ValueError as `parse` does.

        Ours are the last ones, from the last `emostream-error-stage` on: a record that was a dead letter before it
        was consumed keeps its former ones.
        """
        start = max((place for place, (name, _) in enumerate(headers) if name == STAGE_HEADER), default=None)
        if start is None:
            raise ValueError(f"not a dead letter: no header {STAGE_HEADER}")
        values = {name: value.decode(errors="replace") for name, value in headers[start:] if value is not None}
        try:
            return list(headers[:start]), cls.model_validate(values)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            raise ValueError(f"not a dead letter: header {first['loc'][0]}: {first['msg']}") from error
