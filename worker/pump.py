"""The one loop: poll, hand over, publish, commit.

    pump thread        poll -> gather -> close waves      owns the source; the only one that rewinds
    inference lane     wave -> scored                     hands on to
    publishing lane    scored -> decided -> published     tells the pump what became of it

While wave n is decided and published, wave n+1 is in the model and n+2 is being gathered. The lanes' room is bounded;
when a whole wave waits, the source is paused while polling goes on, so that the membership lives.

A `Run` is the stretch of waves between two rewinds. A failed publication or a rebalance voids the run: nothing of it
is published any more, by whichever thread holds it, before the source is rewound to the committed offsets.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Protocol

from worker.batching import BatchPolicy, CloseReason, Wave, WaveBuilder
from worker.clock import Clock, Deadline
from worker.dead_letter_limit import DeadLetterLimit
from worker.errors import BrokerError, DrainTimeout, EmostreamError, Fenced, OutcomeUnknown, PublishFailed
from worker.lane import Handover
from worker.pace import Pace
from worker.pipeline import Pipeline, Processed, ScoredWave
from worker.ports import Publisher, Source
from worker.records import Offsets, TopicPartition
from worker.stopping import Stop

POLL_S = 0.2
# A poll costs about a millisecond of processor, however little it brings; so long a pause leaves that to an eighth.
BREATH_S = 0.008
FEW = 0.25  # of a whole wave: one that brings more is worth its millisecond
CAUGHT_UP_CHECK_S = 0.5


class Run:
    """The waves between two rewinds; once void, nothing of it may be published.

    `outstanding`: records gathered and not yet published; `handed_over`: when the oldest record of each wave in the
    lanes was gathered, in their order. Both are kept by the pump's thread.
    """

    __slots__ = ("handed_over", "outstanding", "void")

    def __init__(self) -> None:
        self.void = False
        self.outstanding = 0
        self.handed_over: deque[float] = deque()


@dataclass(frozen=True, slots=True)
class WorkItem:
    """A wave on its way through the lanes."""

    wave: Wave
    run: Run
    closed_at: float


@dataclass(frozen=True, slots=True)
class Published:
    """A wave that is durably published, and when."""

    processed: Processed
    run: Run
    closed_at: float
    began_at: float
    ended_at: float


@dataclass(frozen=True, slots=True)
class Failed:
    """A wave that was not (or perhaps not) committed; its run is void already."""

    error: BrokerError
    run: Run


class Observer(Protocol):
    """What the pump tells the outside while it works (worker.observability.watch). Called from the pump's thread."""

    def consumed(self, topic: str, count: int) -> None: ...
    def published(self, published: Published) -> None: ...
    def publish_failed(self, error: BrokerError) -> None: ...
    def rebalanced(self) -> None: ...
    def redone(self, records: int) -> None: ...
    def turned(self, *, source: Source, oldest_s: float, working: bool) -> None:
        """One turn of the loop ended; `oldest_s`: how long the longest-waiting record waits; `working`: lanes busy."""
        ...


class Pump:
    """Drives one source, one pipeline and one publisher. `run` once; everything it needs is passed in."""

    def __init__(
        self,
        *,
        source: Source,
        pipeline: Pipeline,
        publisher: Publisher,
        limit: DeadLetterLimit,
        batch: BatchPolicy,
        observer: Observer,
        clock: Clock,
        lanes: Callable[[str, Callable[..., None]], Handover[Any]],
    ) -> None:
        self._source = source
        self._pipeline = pipeline
        self._publisher = publisher
        self._limit = limit
        self._observer = observer
        self._clock = clock
        self._builder = WaveBuilder(batch)
        self._run = Run()
        self._rewind_wanted = False
        self._known: set[TopicPartition] = set()
        self._told: deque[str] = deque()
        self._ends: deque[Published | Failed | EmostreamError] = deque()
        self._publishing = lanes("publishing", self._publish)
        self._inference = lanes("inference", self._infer)
        self._caught_up_check_at = 0.0
        self._few = batch.max_messages * FEW
        self._polled_few = False
        self._pace = Pace()
        self._publishing_since = 0.0

    def run(self, *, stop: Stop, drain_timeout_s: float, until: Offsets | None = None) -> None:
        """Work until `stop` is requested or everything up to `until` is committed; then drain.

        Raises DeadLetterLimitExceeded, DrainTimeout, ThreadDied, BrokerRefused or EngineLost; whatever is raised,
        nothing was committed that was not published.
        """
        self._publishing.start()
        self._inference.start()
        try:
            while not stop.requested and not self._caught_up(until):
                self.turn()
            stop.announce()
            self._drain(Deadline.after(drain_timeout_s, self._clock))
        finally:
            self._run.void = True

    def stop_lanes(self, deadline: Deadline) -> bool:
        """End the threads; whether all did in time."""
        return all([self._inference.stop(deadline), self._publishing.stop(deadline)])

    def turn(self, *, draining: bool = False) -> None:
        """One turn of the loop. Blocks in the source's poll, or a few milliseconds for the lanes."""
        if not draining:
            self._breathe()
        self._poll(draining=draining)
        self._settle()
        self._close_waves(draining=draining)
        self._inference.check()
        self._publishing.check()
        self._report()

    def _breathe(self) -> None:
        """Where few records come, and those that are here cannot go on yet, leave more to come with the next poll."""
        if not self._polled_few or not self._builder or self._builder.full:
            return
        if not self._inference.idle:
            self._inference.wait_until_idle(BREATH_S)
        elif not self._publishing.idle:
            until_closed_s = self._close_at() - self._clock.monotonic()
            self._publishing.wait_until_idle(max(0.0, min(BREATH_S, until_closed_s)))

    def _poll(self, *, draining: bool) -> None:
        if draining or self._rewind_wanted or self._builder.full:
            self._source.pause()
        else:
            self._source.resume()
        polled = self._source.poll(timeout_s=self._patience_s(self._clock.monotonic()))
        self._polled_few = len(polled.records) < self._few
        if polled.rebalanced:
            self._observer.rebalanced()
            self._forget()
        elif polled.records and polled.membership is not None and not self._rewind_wanted:
            self._look_at_notes({record.topic_partition for record in polled.records})
            self._builder.add(self._pipeline.gather(polled.records), polled.membership)
            self._run.outstanding += len(polled.records)
            for topic, count in Counter(record.topic for record in polled.records).items():
                self._observer.consumed(topic, count)

    def _patience_s(self, now: float) -> float:
        """How long to wait for records: until the ones that are here are to go on."""
        due_s = self._builder.seconds_until_due(now)
        if due_s is None:
            return POLL_S
        if self._inference.idle:
            due_s = min(due_s, max(0.0, self._close_at() - now))
        return min(POLL_S, due_s)

    def _look_at_notes(self, partitions: set[TopicPartition]) -> None:
        """What was counted where these partitions go on, told before any of their records can be published."""
        new = partitions - self._known
        if new:
            self._known |= new
            notes = self._source.notes()
            self._told.extend(notes.get(partition, "") for partition in new)

    def _settle(self) -> None:
        """Learn what became of waves; once something failed and nothing is being published any more, rewind."""
        while self._ends:
            end = self._ends.popleft()
            if isinstance(end, EmostreamError):
                raise end
            if isinstance(end, Published):
                self._acknowledge(end)
                continue
            self._observer.publish_failed(end.error)
            if end.run is self._run:
                self._forget()
        if self._rewind_wanted and self._publishing.idle and not self._ends:
            self._source.rewind()
            self._rewind_wanted = False

    def _acknowledge(self, published: Published) -> None:
        if published.run is self._run:
            self._source.acknowledge(published.processed.publication)
            self._run.outstanding -= len(published.processed.wave.items)
            self._run.handed_over.popleft()
        processed = published.processed
        publish_s = processed.decide_s + published.ended_at - published.began_at
        self._pace.observe(infer_s=processed.infer_s, publish_s=publish_s)
        self._observer.published(published)

    def _forget(self) -> None:
        """Void everything in flight: it will be polled again from the committed offsets."""
        self._run.void = True
        self._observer.redone(self._run.outstanding)
        self._run = Run()
        self._builder.clear()
        self._rewind_wanted = True

    def _close_waves(self, *, draining: bool) -> None:
        while not self._rewind_wanted and self._inference.has_room:
            now = self._clock.monotonic()
            reason = self._reason_to_close(now, draining=draining)
            if reason is None:
                return
            wave = self._builder.close(reason)
            self._run.handed_over.append(wave.items[0].gathered_at)
            self._inference.offer(WorkItem(wave, self._run, now))

    def _reason_to_close(self, now: float, *, draining: bool) -> CloseReason | None:
        """A whole wave may wait in line; a part of one goes on growing for as long as the model is busy."""
        free = self._inference.idle
        reason = self._builder.due(now, wanted=free and now >= self._close_at(), draining=draining)
        return reason if free or reason in (CloseReason.MESSAGES, CloseReason.TOKENS) else None

    def _close_at(self) -> float:
        """From when on an idle model takes a part of a wave: as it is done with it, the brokers should be free."""
        if self._publishing.idle:
            return float("-inf")
        return self._pace.close_at(self._publishing_since) if self._publishing.has_room else float("inf")

    def _infer(self, item: WorkItem) -> None:
        """On the inference lane."""
        if item.run.void:
            return
        try:
            scored = self._pipeline.infer(item.wave)
        except EmostreamError as fatal:
            item.run.void = True
            self._ends.append(fatal)
        else:
            if self._publishing.idle:
                self._publishing_since = self._clock.monotonic()
            self._publishing.put((item, scored))

    def _publish(self, handed: tuple[WorkItem, ScoredWave]) -> None:
        """On the publishing lane. Voids the run before anything after a failed wave can be published."""
        item, scored = handed
        self._publishing_since = self._clock.monotonic()
        if item.run.void:
            scored.trace.dropped("redone")
            return
        try:
            decided = self._pipeline.decide(scored)
            began = self._clock.monotonic()
            processed = self._counted(decided)
            self._publisher.publish(processed.publication)
        except (PublishFailed, OutcomeUnknown, Fenced) as error:
            item.run.void = True
            scored.trace.dropped(type(error).__name__)
            self._ends.append(Failed(error, item.run))
        except EmostreamError as fatal:
            item.run.void = True
            self._ends.append(fatal)
        else:
            self._limit.add(processed.deaths)
            self._ends.append(Published(processed, item.run, item.closed_at, began, self._clock.monotonic()))

    def _counted(self, processed: Processed) -> Processed:
        """Held to the dead-letter limit, with the count that goes on with its offsets."""
        while self._told:
            self._limit.resume(self._told.popleft(), now=self._clock.time())
        self._limit.check(processed.deaths)
        note = self._limit.note(processed.deaths, now=self._clock.time())
        return replace(processed, publication=replace(processed.publication, note=note)) if note else processed

    def _report(self) -> None:
        oldest = self._run.handed_over[0] if self._run.handed_over else self._builder.oldest_at()
        self._observer.turned(
            source=self._source,
            oldest_s=0.0 if oldest is None else self._clock.monotonic() - oldest,
            working=not (self._inference.idle and self._publishing.idle),
        )

    @property
    def _empty(self) -> bool:
        # in the order in which a wave walks, so that one on its way between two of them cannot be missed
        return not self._builder and self._inference.idle and self._publishing.idle and not self._ends

    def _caught_up(self, until: Offsets | None) -> bool:
        if until is None or self._rewind_wanted or not self._empty:
            return False
        now = self._clock.monotonic()
        if now < self._caught_up_check_at:
            return False
        self._caught_up_check_at = now + CAUGHT_UP_CHECK_S
        return self._source.caught_up(until)

    def _drain(self, deadline: Deadline) -> None:
        """Finish what was gathered; after a rebalance or a failure there is nothing left to finish."""
        run = self._run
        while not (self._empty if self._run is run else self._publishing.idle):
            if deadline.expired:
                raise DrainTimeout(
                    "the waves in flight did not finish within shutdown.drain_timeout_s; their records were not "
                    "committed and will be processed again"
                )
            self.turn(draining=True)
