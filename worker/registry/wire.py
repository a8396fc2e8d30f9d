"""The registry's wire format: a zero byte and the schema's id (4 bytes, big-endian) before a record's JSON."""

from __future__ import annotations

import struct

from worker.errors import DeadReason, RecordError, Stage

MAGIC = 0
LENGTH = 5


def frame(schema_id: int) -> bytes:
    """What stands before a value of that schema."""
    return struct.pack(">BI", MAGIC, schema_id)


def unframed(value: bytes) -> bytes:
    """The value without its frame, whichever schema it names. Raises RecordError when there is none."""
    if len(value) < LENGTH or value[0] != MAGIC:
        raise RecordError(
            Stage.DECODE,
            DeadReason.INVALID_FRAMING,
            "no magic byte and schema id before the value (schema_registry.input: confluent)",
        )
    return value[LENGTH:]
