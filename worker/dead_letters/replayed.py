"""Which letters of a partition were sent back, also when filters took them out of order: what is committed. Pure.

The committed offset is where everything before was sent back; what was sent back behind it stands, as ranges, in the
offset's metadata. Both are part of the transaction that sends, so that no order of filters sends a letter twice.
"""

from __future__ import annotations

import base64
import zlib
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass

from worker.errors import EmostreamError

FORMAT = "1:"
MAX_METADATA_BYTES = 4096
"""offset.metadata.max.bytes of a broker, as it is by default."""
MAX_UNPACKED_BYTES = 1_000_000


class TooScattered(EmostreamError):
    """More single letters were picked out than the metadata of an offset can hold."""

    def __init__(self) -> None:
        super().__init__(
            "the filters pick too many single letters to remember which were sent back: send back what lies between "
            "them first (fewer filters), or filter by --partition or time"
        )


@dataclass(frozen=True, slots=True)
class Replayed:
    """Offsets of one partition: all below `below`, and those in `ranges` [start, end), ascending and apart."""

    below: int
    ranges: tuple[tuple[int, int], ...] = ()

    def __contains__(self, offset: int) -> bool:
        if offset < self.below:
            return True
        place = bisect_right(self.ranges, offset, key=lambda span: span[0])
        return place > 0 and offset < self.ranges[place - 1][1]

    def with_span(self, start: int, end: int) -> Replayed:
        """Also [start, end)."""
        before = tuple(span for span in self.ranges if span[1] < start)
        behind = tuple(span for span in self.ranges if span[0] > end)
        touched = self.ranges[len(before) : len(self.ranges) - len(behind)]
        start, end = min([start, *(each[0] for each in touched)]), max([end, *(each[1] for each in touched)])
        if start <= self.below:
            return Replayed(max(self.below, end), behind)
        return Replayed(self.below, (*before, (start, end), *behind))

    def metadata(self) -> str:
        """The ranges, for the offset `below`. Raises TooScattered."""
        if not self.ranges:
            return ""
        packed = zlib.compress(bytes(_varints(self.below, self.ranges)), 9)
        written = FORMAT + base64.b85encode(packed).decode()
        if len(written) > MAX_METADATA_BYTES:
            raise TooScattered
        return written

    @classmethod
    def read(cls, below: int, metadata: str) -> Replayed:
        """Of a committed offset. Raises ValueError when the metadata is not ours."""
        if not metadata:
            return cls(below)
        if not metadata.startswith(FORMAT):
            raise ValueError("unknown format")
        try:
            unpacker = zlib.decompressobj()
            data = unpacker.decompress(base64.b85decode(metadata.removeprefix(FORMAT)), MAX_UNPACKED_BYTES)
        except (zlib.error, ValueError) as error:
            raise ValueError("damaged") from error
        if not unpacker.eof:
            raise ValueError("cut off")
        return cls(below, tuple(_spans(below, data)))


def _varints(below: int, ranges: tuple[tuple[int, int], ...]) -> Iterator[int]:
    """Gap and length in turn, seven bits to a byte, the lowest first."""
    at = below
    for start, end in ranges:
        for number in (start - at, end - start):
            while number > 127:
                yield number & 127 | 128
                number >>= 7
            yield number
        at = end


def _spans(below: int, data: bytes) -> Iterator[tuple[int, int]]:
    at, number, shift, numbers = below, 0, 0, []
    for byte in data:
        number |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            numbers.append(number)
            number, shift = 0, 0
    if shift or len(numbers) % 2:
        raise ValueError("cut off")
    for gap, length in zip(numbers[::2], numbers[1::2], strict=True):
        yield at + gap, at + gap + length
        at += gap + length
