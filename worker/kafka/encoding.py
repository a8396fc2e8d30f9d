"""How an outgoing record is put so that the client takes it, and how large it is then. Pure.

The client refuses some records that exist and that a dead letter must carry on byte for byte.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kafka.serializer import Serializer

from worker.records import Header

# upper bounds of the record format: a batch header, a record's own fields, a length in front of each part
BATCH_OVERHEAD_BYTES = 61
RECORD_OVERHEAD_BYTES = 21
LENGTH_BYTES = 5


class _Nothing:
    """Stands for a null value: the client refuses a record without key and value (D13), which Kafka allows."""

    def __repr__(self) -> str:
        return "NOTHING"


NOTHING = _Nothing()


class ValueSerializer(Serializer):  # type: ignore[misc]
    """Bytes as they are, NOTHING as null."""

    def serialize(self, topic: str, headers: Any, data: Any) -> bytes | None:  # noqa: ARG002 - the client's signature
        return None if data is NOTHING else data


class RawName(str):
    """A header name that is not UTF-8: it was read with surrogate escapes and is written as the bytes it was."""

    __slots__ = ()

    def encode(self, encoding: str = "utf-8", errors: str = "strict") -> bytes:  # noqa: ARG002 - str's signature
        return name_bytes(str(self))


def name_bytes(name: str) -> bytes:
    """A header name as it is written. Lone surrogates that stand for no byte become question marks."""
    try:
        return name.encode()
    except UnicodeEncodeError:
        pass
    try:
        return name.encode(errors="surrogateescape")
    except UnicodeEncodeError:
        return name.encode(errors="replace")


def client_headers(headers: Sequence[Header]) -> list[tuple[str, bytes]]:
    """Headers as the client takes them: a null value becomes an empty one, as it cannot send null (D14)."""
    return [
        (name if name.isascii() else _client_name(name), b"" if value is None else value) for name, value in headers
    ]


def _client_name(name: str) -> str:
    try:
        name.encode()
    except UnicodeEncodeError:
        return RawName(name)
    return name


def record_size(*, key: bytes | None, value: bytes | None, headers: Sequence[Header]) -> int:
    """The most bytes that a batch of this record alone takes, uncompressed: never less than the client's estimate."""
    size = BATCH_OVERHEAD_BYTES + RECORD_OVERHEAD_BYTES + 3 * LENGTH_BYTES + len(key or b"") + len(value or b"")
    for name, content in headers:
        size += 2 * LENGTH_BYTES + (len(name) if name.isascii() else len(name_bytes(name))) + len(content or b"")
    return size
