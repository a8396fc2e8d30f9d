"""Outcomes of demo messages as they would stand in the topics."""

from __future__ import annotations

import orjson

from schemas.dead_letter import DeadLetterHeaders
from schemas.dead_reasons import DeadReason, Stage
from worker.demo.messages import Message
from worker.demo.outcomes import Outcome, Place, Topics, outcome
from worker.records import Record

TOPICS = Topics.named("demo-test")
GOOD = Message(b"user-1", b'{"id":1,"text":"fine"}')
BAD = Message(b"user-2", b"not JSON", DeadReason.INVALID_JSON)


def enriched(place: Place, message: Message = GOOD, *, at: Place = (0, 0), topic: str = TOPICS.output) -> Outcome:
    """An event of the message at `place`, standing `at` partition and offset of its topic."""
    partition, offset = place
    event = {
        "source": {"partition": partition, "offset": offset},
        "labels": ["joy"],
        "payload": orjson.loads(message.value or b"null"),
    }
    return outcome(Record(topic, *at, 0, message.key, orjson.dumps(event)), TOPICS)


def reviewed(place: Place, message: Message = GOOD, *, at: Place = (0, 0)) -> Outcome:
    return enriched(place, message, at=at, topic=TOPICS.review)


def dead(
    place: Place, message: Message = BAD, *, reason: DeadReason = DeadReason.INVALID_JSON, value: bytes | None = None
) -> Outcome:
    """A dead letter of the message at `place`; `value` instead of the message's own."""
    letter = DeadLetterHeaders(
        stage=Stage.DECODE,
        reason=reason,
        message="not JSON",
        source_topic=TOPICS.input,
        source_partition=place[0],
        source_offset=place[1],
        group=TOPICS.group_id,
        version="0",
    )
    record = Record(TOPICS.dead_letter, 0, 0, 0, message.key, value or message.value, tuple(letter.render()))
    return outcome(record, TOPICS)
