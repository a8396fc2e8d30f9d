"""What replaying asks of Kafka; `worker.kafka.dead_letters` implements it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from worker.records import Header, Offsets, Record, TopicPartition


@dataclass(frozen=True, slots=True)
class Committed:
    """A committed offset and the text that was committed with it."""

    offset: int
    metadata: str = ""


Marks = Mapping[TopicPartition, Committed]


@dataclass(frozen=True, slots=True)
class Return:
    """A record to send to a partition of its topic; where there is no such partition any more, its key decides."""

    topic: str
    partition: int
    key: bytes | None
    value: bytes | None
    headers: tuple[Header, ...]


class LetterReader(Protocol):
    """The dead-letter topic from wherever one wants up to the end that it had when it was opened, read committed."""

    def committed(self) -> Marks:
        """How far each partition was sent back before; a partition without an entry was not. Raises BrokerError."""
        ...

    def start(self, offsets: Offsets) -> Offsets:
        """Go to these offsets, or to the beginning where there is none or it is gone; where it really starts."""
        ...

    def read(self) -> Sequence[Record] | None:
        """More records, in offset order within a partition; none for a while is empty, the end None.

        Raises BrokerError.
        """
        ...

    def remaining(self) -> int:
        """How many offsets are left to read, an upper bound of the records."""
        ...


class Returner(Protocol):
    """Sends records back and commits in one transaction."""

    def prepare(self) -> None:
        """End every transaction of an earlier replay, so that `LetterReader.committed` is the truth from now on.

        An older replay that still runs can send nothing any more. Raises BrokerError.
        """
        ...

    def send(self, returns: Sequence[Return], marks: Marks) -> None:
        """All or nothing. Raises PublishFailed, OutcomeUnknown, Fenced or BrokerRefused."""
        ...

    def takes(self, returned: Return) -> bool:
        """Whether its topic takes a record of this size."""
        ...
