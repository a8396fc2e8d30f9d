"""Sends dead letters back to their topics, each exactly once, in transactions that also commit how far it has come.

One rule as in the worker: after any failure the committed offsets are the only truth, and reading starts again there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from schemas.dead_letter import DeadReason
from worker.clock import Clock
from worker.dead_letters.letters import Left, Letter, Selection
from worker.dead_letters.ports import Committed, LetterReader, Marks, Return, Returner
from worker.dead_letters.replayed import Replayed
from worker.errors import EmostreamError, OutcomeUnknown, PublishFailed
from worker.records import Record, TopicPartition

BATCH_RECORDS = 500
BATCH_BYTES = 4_000_000
FAILURES_IN_A_ROW = 5
SLICE_S = 0.1


@dataclass(frozen=True, slots=True)
class Plan:
    """What to send back. `topics`: where to; `rate`: at most so many records a second; `limit`: at most so many."""

    selection: Selection
    topics: frozenset[str]
    rate: float | None = None
    limit: int | None = None


@dataclass(slots=True)
class Report:
    """What became of the letters: those sent (in a rehearsal: that would be) by topic and reason, and those left."""

    sent: Counter[tuple[str, DeadReason]] = field(default_factory=Counter)
    left: Counter[Left] = field(default_factory=Counter)
    remaining: int = 0
    finished: bool = False


class _Batch:
    """Letters that go into the next transaction, and what will be sent back then."""

    def __init__(self, replayed: Mapping[TopicPartition, Replayed]) -> None:
        self._replayed = replayed
        self.letters: list[Letter] = []
        self.marks: dict[TopicPartition, Replayed] = {}
        self.bytes = 0

    def add(self, letter: Letter, *, behind: int) -> None:
        """Between the offset `behind` and the letter stands nothing that can be read."""
        record, partition = letter.record, letter.record.topic_partition
        known = self.marks.get(partition, self._replayed[partition])
        self.marks[partition] = known.with_span(behind, record.offset + 1)
        self.letters.append(letter)
        self.bytes += len(record.value or b"") + len(record.key or b"")


class Replay:
    """One run over the dead-letter topic. `stopped` is asked between transactions; `sleep` is given seconds."""

    def __init__(
        self,
        plan: Plan,
        *,
        reader: LetterReader,
        returner: Returner,
        clock: Clock,
        sleep: Callable[[float], None],
        stopped: Callable[[], bool],
        progress: Callable[[Report], None] = lambda _: None,
    ) -> None:
        self._plan = plan
        self._reader = reader
        self._returner = returner
        self._clock = clock
        self._sleep = sleep
        self._stopped = stopped
        self._progress = progress
        self._batch_records = min(BATCH_RECORDS, max(1, int(plan.rate))) if plan.rate else BATCH_RECORDS
        self._report = Report()
        self._replayed: dict[TopicPartition, Replayed] = {}
        self._batch = _Batch(self._replayed)
        self._passed: dict[TopicPartition, int] = {}
        self._left_up_to: dict[TopicPartition, int] = {}
        self._due_at = clock.monotonic()

    def run(self) -> Report:
        """Until the end that the topic had at the start, the limit, or a stop. Raises EmostreamError."""
        failures = 0
        while True:
            sent = self._report.sent.total()
            try:
                self._begin()
                self._report.finished = self._work()
                self._tell()
                return self._report
            except (PublishFailed, OutcomeUnknown):
                failures = failures + 1 if self._report.sent.total() == sent else 1
                if failures == FAILURES_IN_A_ROW or self._stopped():
                    raise

    def _begin(self) -> None:
        """Start where the committed offsets say; they also tell whether a doubtful batch was sent."""
        self._returner.prepare()
        committed = self._reader.committed()
        replayed = {partition: _read(partition, mark) for partition, mark in committed.items()}
        starts = self._reader.start({partition: each.below for partition, each in replayed.items()})
        self._replayed = {partition: replayed.get(partition, Replayed(start)) for partition, start in starts.items()}
        self._passed = dict(starts)
        doubtful, self._batch = self._batch.letters, _Batch(self._replayed)
        self._count([each for each in doubtful if each.record.offset in self._replayed[each.record.topic_partition]])

    def _work(self) -> bool:
        """Whether it came to the end, or the limit."""
        while not self._stopped():
            records = self._reader.read()
            for record in records or ():
                self._take(record)
                if self._enough:
                    return self._send()
                if self._full and not self._send():
                    return False
            self._tell()
            if records is None:
                return self._send()
        return False

    def _take(self, record: Record) -> None:
        partition, offset = record.topic_partition, record.offset
        behind, self._passed[partition] = self._passed[partition], offset + 1
        if offset in self._replayed[partition]:
            return
        letter = self._judged(record)
        if isinstance(letter, Letter):
            self._batch.add(letter, behind=behind)
        elif offset >= self._left_up_to.get(partition, 0):
            self._left_up_to[partition] = offset + 1
            self._report.left[letter] += 1

    def _judged(self, record: Record) -> Letter | Left:
        letter = Letter.read(record)
        if letter is None:
            return Left.NO_LETTER
        if not self._plan.selection.takes(letter):
            return Left.NOT_ASKED_FOR
        if letter.ours.source_topic not in self._plan.topics:
            return Left.OTHER_TOPIC
        if letter.ours.omitted_bytes is not None:
            return Left.NO_CONTENT
        return letter if self._returner.takes(_returned(letter)) else Left.TOO_LARGE

    @property
    def _enough(self) -> bool:
        limit = self._plan.limit
        return limit is not None and self._report.sent.total() + len(self._batch.letters) >= limit

    @property
    def _full(self) -> bool:
        return len(self._batch.letters) >= self._batch_records or self._batch.bytes >= BATCH_BYTES

    def _send(self) -> bool:
        """Send the batch when the rate allows it; False when stopped before."""
        letters = self._batch.letters
        if not letters:
            return True
        if not self._wait():
            return False
        marks = {partition: Committed(each.below, each.metadata()) for partition, each in self._batch.marks.items()}
        self._returner.send([_returned(letter) for letter in letters], marks)
        self._replayed |= self._batch.marks
        self._batch = _Batch(self._replayed)
        self._count(letters)
        self._tell()
        if self._plan.rate is not None:
            self._due_at = max(self._due_at, self._clock.monotonic()) + len(letters) / self._plan.rate
        return True

    def _wait(self) -> bool:
        while not self._stopped():
            remaining_s = self._due_at - self._clock.monotonic()
            if remaining_s <= 0:
                return True
            self._sleep(min(SLICE_S, remaining_s))
        return False

    def _count(self, letters: Sequence[Letter]) -> None:
        self._report.sent.update((letter.ours.source_topic, letter.ours.reason) for letter in letters)

    def _tell(self) -> None:
        self._report.remaining = self._reader.remaining()
        self._progress(self._report)


class Rehearsal:
    """A `Returner` that sends nothing: what would be sent is only counted."""

    def __init__(self, takes: Callable[[Return], bool]) -> None:
        self.takes = takes

    def prepare(self) -> None:
        """Nothing is open."""

    def send(self, returns: Sequence[Return], marks: Marks) -> None:
        """Not."""


def _returned(letter: Letter) -> Return:
    record = letter.record
    return Return(
        letter.ours.source_topic, letter.ours.source_partition, record.key, record.value, letter.headers_to_send
    )


def _read(partition: TopicPartition, mark: Committed) -> Replayed:
    try:
        return Replayed.read(mark.offset, mark.metadata)
    except ValueError as error:
        raise EmostreamError(
            f"what was sent back of {partition.topic}/{partition.partition} cannot be told: the metadata of the "
            f"group's committed offset is not of this program ({error}); see docs/operating.md"
        ) from error
