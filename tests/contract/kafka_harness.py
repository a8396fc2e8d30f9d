"""What the suites for `Source` and `Publisher` need of whatever stands behind them, and how they drive it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

from worker.ports import Publisher, Source
from worker.records import Destination, Header, Membership, Outgoing, Publication, Record, TopicPartition

PATIENCE_S = 40.0
POLL_S = 0.1
PARTITIONS = 2


@dataclass(frozen=True)
class Written:
    """A record of the input topic, to be written by the harness."""

    value: bytes | None
    key: bytes | None = None
    headers: tuple[Header, ...] = ()
    partition: int = 0


@dataclass(frozen=True)
class Seen:
    """A record of an outgoing topic, as a read-committed reader sees it."""

    partition: int
    key: bytes | None
    value: bytes | None
    headers: tuple[Header, ...] = ()


class Harness(Protocol):
    """One input topic and three outgoing ones, of PARTITIONS partitions each, and one consumer group.

    Whatever `source` and `publisher` return is closed by the harness at the end of the test.
    """

    topic: str

    def write(self, records: Iterable[Written]) -> None:
        """Append to the input topic, in order."""
        ...

    def source(self, *, commits: bool = False, latest: bool = False) -> Source:
        """A new member of the group; `latest`: where it starts when the group has committed nothing."""
        ...

    def publisher(self, *, transactional: bool = True) -> Publisher:
        """A publisher of the group."""
        ...

    def read(self, destination: Destination) -> list[Seen]:
        """All of an outgoing topic, by partition, in order."""
        ...

    def committed(self) -> dict[int, int]:
        """The group's committed offset of every partition of the input topic that has one."""
        ...


def until(condition: Callable[[], bool]) -> None:
    """Run `condition`, which moves things on, until it holds."""
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true"


def gather(source: Source, count: int) -> tuple[list[Record], Membership]:
    """Poll as the pump does until `count` records were handed out since the last rewind."""
    records: list[Record] = []
    memberships: list[Membership] = []

    def enough() -> bool:
        polled = source.poll(timeout_s=POLL_S)
        if polled.rebalanced:
            records.clear()
            source.rewind()
        records.extend(polled.records)
        if polled.records and polled.membership is not None:
            memberships.append(polled.membership)
        return len(records) >= count

    until(enough)
    return records, memberships[-1]


def turned(source: Source) -> bool:
    """One turn of a member that does nothing with what it gets; always true."""
    if source.poll(timeout_s=POLL_S).rebalanced:
        source.rewind()
    return True


@contextmanager
def background(source: Source) -> Iterator[None]:
    """Keep a member going as another process would; the test leaves it alone meanwhile."""
    ended = threading.Event()

    def run() -> None:
        while not ended.is_set():
            turned(source)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def share(first: Source, second: Source) -> None:
    """Keep two members going until each owns one of the two partitions."""
    with background(second):
        until(lambda: turned(first) and len(first.assignment()) == len(second.assignment()) == 1)


def quiet(source: Source, turns: int = 3) -> list[Record]:
    """What comes in a few more polls."""
    return [record for _ in range(turns) for record in source.poll(timeout_s=POLL_S).records]


def outcome(record: Record, *, value: bytes | None = None, destination: Destination = Destination.OUTPUT) -> Outgoing:
    """The record's outcome: its key and headers, and its own value unless another is given."""
    return Outgoing(destination, record.key, record.value if value is None else value, record.headers, record)


def publication(records: Sequence[Record], membership: Membership) -> Publication:
    """What a wave of these records publishes: one outcome each, and the offsets behind them."""
    offsets: dict[TopicPartition, int] = {}
    for record in records:
        offsets[record.topic_partition] = max(offsets.get(record.topic_partition, 0), record.offset + 1)
    return Publication([outcome(record) for record in records], offsets, membership)


def numbered(count: int, *, start: int = 0) -> list[Written]:
    """Records with the values 0, 1, …, spread over the partitions in turn."""
    return [Written(str(n).encode(), partition=n % PARTITIONS) for n in range(start, start + count)]


def values(records: Iterable[Record | Seen]) -> list[int]:
    """The numbers in the records, sorted."""
    return sorted(int(record.value or b"-1") for record in records)


def in_order(records: Iterable[Record | Seen]) -> bool:
    """Whether the numbers rise within each partition."""
    last: dict[int, int] = {}
    for record in records:
        number = int(record.value or b"-1")
        if number <= last.get(record.partition, -1):
            return False
        last[record.partition] = number
    return True
