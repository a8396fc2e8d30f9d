"""The headers of output and review events: CloudEvents 1.0, binary mode of the Kafka binding."""

from __future__ import annotations

from typing import Final, Literal

from pydantic import Field

from schemas.fields import Event, Name, Time

EVENT_HEADERS: Final = ("ce_specversion", "ce_id", "ce_source", "ce_type", "ce_time", "content-type")


class EventHeaders(Event):
    """Our headers of an event; they stand after those of the input record, which are passed through."""

    ce_specversion: Literal["1.0"] = Field(description="Version of CloudEvents.")
    ce_id: Name = Field(description="The event's `id`: a consumer that has seen it may drop the repeat.")
    ce_source: Name = Field(description="`/emostream/GROUP`: the consumer group of the worker that made the event.")
    ce_type: Literal["emostream.enriched.v1", "emostream.review.v1"] = Field(
        description="Kind and version of the event."
    )
    ce_time: Time = Field(description="When the event was made, as `processed_at`.")
    content_type: Literal["application/json"] = Field(
        alias="content-type",
        description="How the value is encoded; with `schema_registry.output: confluent`, behind the schema's id.",
    )
