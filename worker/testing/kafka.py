"""Topics, groups and transactions in memory, and the two ports on top of them."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto

from worker.errors import Fenced, OutcomeUnknown, PublishFailed
from worker.ports import Polled
from worker.records import Destination, Header, Membership, Offsets, Outgoing, Publication, Record, TopicPartition
from worker.testing.running import FakeClock


@dataclass
class _Group:
    generation: int = 0
    members: dict[str, frozenset[str]] = field(default_factory=dict)
    committed: dict[TopicPartition, int] = field(default_factory=dict)
    notes: dict[TopicPartition, str] = field(default_factory=dict)


class FakeBroker:
    """Topics, consumer groups and atomic transactions in memory. What is appended is what a read-committed reader
    sees."""

    def __init__(self, *, topics: Mapping[str, int]) -> None:
        self._logs: dict[TopicPartition, list[Record]] = {}
        self._groups: dict[str, _Group] = {}
        self._members = 0
        for topic, partitions in topics.items():
            for partition in range(partitions):
                self._logs[TopicPartition(topic, partition)] = []

    def partitions(self, topic: str) -> list[TopicPartition]:
        return sorted(partition for partition in self._logs if partition.topic == topic)

    def append(
        self,
        partition: TopicPartition,
        *,
        key: bytes | None = None,
        value: bytes | None,
        headers: Sequence[Header] = (),
        timestamp_ms: int = 1_790_000_000_000,
    ) -> Record:
        """Write one record and return it as a reader will see it."""
        log = self._logs[partition]
        record = Record(partition.topic, partition.partition, len(log), timestamp_ms, key, value, tuple(headers))
        log.append(record)
        return record

    def read(self, partition: TopicPartition, *, offset: int = 0, limit: int | None = None) -> list[Record]:
        end = None if limit is None else offset + limit
        return self._logs[partition][offset:end]

    def topic(self, name: str) -> list[Record]:
        """Everything in a topic, partition by partition."""
        return [record for partition in self.partitions(name) for record in self._logs[partition]]

    def end(self, partition: TopicPartition) -> int:
        return len(self._logs[partition])

    def committed(self, group: str) -> dict[TopicPartition, int]:
        return dict(self._group(group).committed)

    def notes(self, group: str) -> dict[TopicPartition, str]:
        """What was committed with the offsets."""
        return dict(self._group(group).notes)

    def join(self, group: str, topics: Iterable[str]) -> str:
        """A new member id; every other member's generation is stale from now on."""
        self._members += 1
        member_id = f"member-{self._members}"
        joined = self._group(group)
        joined.members[member_id] = frozenset(topics)
        joined.generation += 1
        return member_id

    def leave(self, group: str, member_id: str) -> None:
        """As when a member closes, or its session times out."""
        left = self._group(group)
        if left.members.pop(member_id, None) is not None:
            left.generation += 1

    def generation(self, group: str) -> int:
        return self._group(group).generation

    def is_member(self, group: str, member_id: str) -> bool:
        return member_id in self._group(group).members

    def assigned(self, group: str, member_id: str) -> frozenset[TopicPartition]:
        members = self._group(group).members
        if member_id not in members:
            return frozenset()
        place = sorted(members).index(member_id)
        partitions = [partition for topic in sorted(members[member_id]) for partition in self.partitions(topic)]
        return frozenset(partitions[place :: len(members)])

    def commit(self, group: str, offsets: Offsets, membership: Membership, *, note: str = "") -> None:
        """Commit as this member of this generation. Raises Fenced when it is not one any more."""
        found = self._group(group)
        if membership.generation != found.generation or membership.member_id not in found.members:
            raise Fenced(f"generation {membership.generation} of {membership.member_id} is over")
        found.committed.update(offsets)
        found.notes.update(dict.fromkeys(offsets, note))

    def _group(self, name: str) -> _Group:
        return self._groups.setdefault(name, _Group())


class FakeSource:
    """A consumer of a `FakeBroker`. With `commits`, `acknowledge` commits (at-least-once).

    A poll that brings nothing lets its timeout pass on `clock`.
    """

    def __init__(
        self,
        broker: FakeBroker,
        *,
        group: str,
        topics: Sequence[str],
        clock: FakeClock,
        max_poll_records: int = 500,
        commits: bool = False,
        start_from_latest: bool = False,
    ) -> None:
        self._broker = broker
        self._group = group
        self._topics = tuple(topics)
        self._clock = clock
        self._max_poll_records = max_poll_records
        self._commits = commits
        self._latest = start_from_latest
        self._member_id: str | None = None
        self._generation = 0
        self._positions: dict[TopicPartition, int] = {}
        self._notes: dict[TopicPartition, str] = {}
        self._held = True
        self._paused = False

    def poll(self, *, timeout_s: float) -> Polled:
        polled = self._poll()
        if not polled.records:
            self._clock.advance(timeout_s)
        return polled

    def _poll(self) -> Polled:
        if self._member_id is None:
            self._member_id = self._broker.join(self._group, self._topics)
        if self._generation != self._broker.generation(self._group):
            return self._rejoin()
        membership = Membership(self._generation, self._member_id, snapshot=None)
        if self._held:
            return Polled()
        if self._paused:
            return Polled(membership=membership)
        return Polled(self._fetch(), membership)

    def pause(self) -> None:
        self._paused = True

    def resume(self) -> None:
        self._paused = False

    def rewind(self) -> None:
        committed = self._broker.committed(self._group)
        self._positions = {
            partition: committed[partition] if partition in committed else self._start(partition)
            for partition in self.assignment()
        }
        told = self._broker.notes(self._group)
        self._notes = {partition: told.get(partition, "") for partition in self._positions}
        self._held = False

    def acknowledge(self, publication: Publication) -> None:
        if self._commits:
            try:
                self._broker.commit(self._group, publication.offsets, publication.membership, note=publication.note)
            except Fenced:
                return  # the records are redone by their new owner

    def notes(self) -> Mapping[TopicPartition, str]:
        return dict(self._notes)

    def joined(self) -> bool:
        return self._member_id is not None and self._generation == self._broker.generation(self._group)

    def assignment(self) -> frozenset[TopicPartition]:
        if self._member_id is None or not self.joined():
            return frozenset()
        return self._broker.assigned(self._group, self._member_id)

    def lag(self) -> Mapping[TopicPartition, int]:
        return {partition: self._broker.end(partition) - at for partition, at in self._positions.items()}

    def end_offsets(self) -> Offsets:
        partitions = [partition for topic in self._topics for partition in self._broker.partitions(topic)]
        return {partition: self._broker.end(partition) for partition in partitions}

    def caught_up(self, ends: Offsets) -> bool:
        committed = self._broker.committed(self._group)
        return all(committed.get(partition, 0) >= end for partition, end in ends.items())

    def close(self, *, timeout_s: float) -> None:
        if self._member_id is not None:
            self._broker.leave(self._group, self._member_id)

    def _rejoin(self) -> Polled:
        if self._member_id is None or not self._broker.is_member(self._group, self._member_id):
            self._member_id = self._broker.join(self._group, self._topics)
        self._generation = self._broker.generation(self._group)
        self._positions = {}
        self._notes = {}
        self._held = True
        return Polled(rebalanced=True)

    def _start(self, partition: TopicPartition) -> int:
        if not self._latest:
            return 0
        end = self._broker.end(partition)
        if self._member_id is not None:
            membership = Membership(self._generation, self._member_id, snapshot=None)
            self._broker.commit(self._group, {partition: end}, membership)
        return end

    def _fetch(self) -> list[Record]:
        fetched: list[Record] = []
        for partition in sorted(self._positions):
            room = self._max_poll_records - len(fetched)
            records = self._broker.read(partition, offset=self._positions[partition], limit=room)
            self._positions[partition] += len(records)
            fetched += records
        return fetched


class Fault(Enum):
    """What a scripted publication does instead of succeeding."""

    NONE = auto()
    FAILS = auto()
    """Nothing is committed, and the publisher knows it."""
    UNKNOWN_COMMITTED = auto()
    """The commit happened, but its answer was lost."""
    UNKNOWN_ABORTED = auto()
    """The commit did not happen, and its answer was lost."""
    FENCED = auto()


class FakePublisher:
    """A producer to a `FakeBroker`; transactional unless told otherwise. `faults` are used up one per publication."""

    def __init__(
        self,
        broker: FakeBroker,
        *,
        group: str,
        topics: Mapping[Destination, str],
        transactional: bool = True,
        max_bytes: int = 1_000_000,
        faults: Iterable[Fault] = (),
    ) -> None:
        self._broker = broker
        self._group = group
        self._topics = topics
        self._transactional = transactional
        self._max_bytes = max_bytes
        self._faults = iter(faults)

    def publish(self, publication: Publication) -> None:
        match next(self._faults, Fault.NONE):
            case Fault.FAILS:
                self._leave_half(publication)
                raise PublishFailed("scripted")
            case Fault.FENCED:
                raise Fenced("scripted")
            case Fault.UNKNOWN_ABORTED:
                raise OutcomeUnknown("scripted")
            case Fault.UNKNOWN_COMMITTED:
                self._commit(publication)
                raise OutcomeUnknown("scripted")
            case Fault.NONE:
                self._commit(publication)

    def fits(self, *, key: bytes | None, value: bytes | None, headers: Sequence[Header]) -> bool:
        size = len(key or b"") + len(value or b"") + sum(len(name) + len(text or b"") for name, text in headers)
        return size <= self._max_bytes

    def close(self, *, timeout_s: float) -> None:
        """Nothing to release."""

    def _commit(self, publication: Publication) -> None:
        if self._transactional:
            self._broker.commit(self._group, publication.offsets, publication.membership, note=publication.note)
        for outgoing in publication.outgoing:
            self._append(outgoing)

    def _leave_half(self, publication: Publication) -> None:
        """Without transactions, what was sent before the failure stays."""
        if not self._transactional:
            for outgoing in publication.outgoing[: len(publication.outgoing) // 2]:
                self._append(outgoing)

    def _append(self, outgoing: Outgoing) -> None:
        partitions = self._broker.partitions(self._topics[outgoing.destination])
        spread = outgoing.source.partition if outgoing.key is None else zlib.crc32(outgoing.key)
        self._broker.append(
            partitions[spread % len(partitions)], key=outgoing.key, value=outgoing.value, headers=outgoing.headers
        )
