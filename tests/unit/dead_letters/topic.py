"""A dead-letter topic in memory, and the two ports of a replay over it, with faults to order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from schemas.dead_letter import DeadLetterHeaders, DeadReason, Stage
from worker.dead_letters.ports import Committed, Marks, Return
from worker.errors import OutcomeUnknown, PublishFailed
from worker.records import Header, Offsets, Record, TopicPartition
from worker.testing import Fault

TOPIC = "dead"
MOMENT_MS = 1_790_000_000_000


def letter(
    offset: int,
    *,
    partition: int = 0,
    reason: DeadReason = DeadReason.INVALID_JSON,
    stage: Stage = Stage.DECODE,
    source: str = "texts",
    source_partition: int = 0,
    own: tuple[Header, ...] = (),
    value: bytes | None = b"{broken",
    omitted_bytes: int | None = None,
    timestamp_ms: int = MOMENT_MS,
) -> Record:
    """A record of the dead-letter topic as the worker writes it; its source offset is its own times ten."""
    ours = DeadLetterHeaders(
        stage=stage,
        reason=reason,
        message="not JSON",
        source_topic=source,
        source_partition=source_partition,
        source_offset=10 * offset,
        source_timestamp=MOMENT_MS,
        group="group",
        version="1.0",
        omitted_bytes=omitted_bytes,
    )
    return Record(TOPIC, partition, offset, timestamp_ms, b"key", value, (*own, *ours.render()))


@dataclass
class LetterTopic:
    """What stands in the topic, what was committed, and what came back."""

    records: list[Record]
    committed: dict[TopicPartition, Committed] = field(default_factory=dict)
    returned: list[Return] = field(default_factory=list)
    prepared: int = 0

    def reader(self, *, chunk: int = 3) -> MemoryReader:
        return MemoryReader(self, chunk)

    def returner(self, *faults: Fault, largest: int = 1_000) -> MemoryReturner:
        return MemoryReturner(self, iter(faults), largest)


@dataclass
class MemoryReader:
    topic: LetterTopic
    chunk: int
    pending: list[Record] = field(default_factory=list)

    def committed(self) -> Marks:
        return dict(self.topic.committed)

    def start(self, offsets: Offsets) -> Offsets:
        partitions = {record.topic_partition for record in self.topic.records}
        starts = {partition: offsets.get(partition, 0) for partition in partitions}
        self.pending = [each for each in self.topic.records if each.offset >= starts[each.topic_partition]]
        return starts

    def read(self) -> Sequence[Record] | None:
        if not self.pending:
            return None
        records, self.pending = self.pending[: self.chunk], self.pending[self.chunk :]
        return records

    def remaining(self) -> int:
        return len(self.pending)


@dataclass
class MemoryReturner:
    topic: LetterTopic
    faults: Iterator[Fault]
    largest: int

    def prepare(self) -> None:
        self.topic.prepared += 1

    def send(self, returns: Sequence[Return], marks: Marks) -> None:
        fault = next(self.faults, Fault.NONE)
        if fault is Fault.FAILS:
            raise PublishFailed("scripted")
        if fault is not Fault.UNKNOWN_ABORTED:
            self.topic.returned += returns
            self.topic.committed |= marks
        if fault is not Fault.NONE:
            raise OutcomeUnknown("scripted")

    def takes(self, returned: Return) -> bool:
        return len(returned.value or b"") <= self.largest
