"""The demo from start to end: broker, topics, worker, messages, counts, samples, check. Leaves nothing behind.

Every part is entered on one stack, so that whatever ends the demo (its end, a fault, Ctrl-C) takes them down in order.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING

from worker.demo.check import Verdict, check
from worker.demo.messages import Message, messages
from worker.demo.outcomes import Outcome, Tally, Topics, outcome
from worker.demo.samples import Samples
from worker.demo.screen import Screen
from worker.demo.sending import Sending
from worker.demo.worker_process import Assignment, WorkerProcess
from worker.devbroker import DevBroker, start
from worker.errors import BrokerError, EmostreamError

if TYPE_CHECKING:
    from worker.devbroker.clients import TopicReader

PARTITIONS = 4
POLL_S = 0.1
READY_TIMEOUT_S = 600.0
"""A model from the Hub may have to be fetched first."""
STALL_TIMEOUT_S = 30.0


@dataclass(frozen=True, slots=True)
class Plan:
    """What to show. `broker`: a kind or `HOST:PORT`, as `worker.devbroker.start` takes it; `samples`: of each kind."""

    messages: int
    broker: str
    model: str
    samples: int = 3


@dataclass
class Laps:
    """Where the seconds went."""

    taken: list[tuple[str, float]] = field(default_factory=list)

    @contextmanager
    def lap(self, name: str) -> Iterator[None]:
        started_at = time.monotonic()
        yield
        self.taken.append((name, time.monotonic() - started_at))

    @property
    def total(self) -> float:
        return sum(seconds for _, seconds in self.taken)


def demonstrate(plan: Plan, screen: Screen) -> Verdict:
    """Show it all; the verdict may be bad. Raises EmostreamError when it cannot be shown."""
    laps = Laps()
    with ExitStack() as cleaning:
        with laps.lap("broker"):
            prepared = _prepare(plan.messages)
            broker = cleaning.enter_context(start(plan.broker, report=screen.say))
            to_send = prepared.result()
            topics = _make_topics(broker, cleaning, screen)
            screen.say(f"topics: {topics.input} and three more, {PARTITIONS} partitions each")
        with laps.lap("worker"), screen.waiting(f"worker: loading {plan.model}"):
            worker = WorkerProcess(Assignment(broker, topics, plan.model))
            cleaning.callback(worker.close)
            reader = cleaning.enter_context(closing(_read(broker, topics)))
            _await_ready(worker)
        screen.say(f"worker: {plan.model}, {'exactly' if broker.transactional else 'at least'} once")
        with laps.lap("messages"):
            sending = cleaning.enter_context(closing(Sending(broker, topics.input, to_send)))
            seconds = _follow(worker, sending, reader, topics, screen, expected=len(to_send))
            worker.stop()
        with laps.lap("check"):
            samples = Samples(plan.samples)
            seen = samples.watching(_outcomes(broker, topics))
            verdict = check(sending.sent, seen, exactly_once=broker.transactional)
        screen.samples(samples)
        screen.verdict(verdict, seconds=seconds)
    screen.times([*laps.taken, ("in all", laps.total)])
    return verdict


def _prepare(count: int) -> Future[list[Message]]:
    """What needs no broker, while it starts: its client, which takes a second to import, and the messages."""

    def prepare() -> list[Message]:
        import_module("worker.devbroker.clients")
        import_module("worker.devbroker.topics")
        return messages(count)

    pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="demo-prepare")
    prepared = pool.submit(prepare)
    pool.shutdown(wait=False)
    return prepared


def _make_topics(broker: DevBroker, cleaning: ExitStack, screen: Screen) -> Topics:
    """Topics of this run only; from a broker that was there before they are removed at the end, and the group too."""
    topics = Topics.named(f"demo-{uuid.uuid4().hex[:6]}")
    if broker.kind == "address":
        cleaning.callback(_remove, broker, topics, screen)
    broker.create_topics(dict.fromkeys(topics.all, PARTITIONS))
    return topics


def _remove(broker: DevBroker, topics: Topics, screen: Screen) -> None:
    from worker.devbroker.topics import delete_group, delete_topics

    try:
        delete_topics(broker.bootstrap_servers, topics.all)
    except BrokerError as error:
        screen.say(f"left behind: {error}")
    with suppress(BrokerError):  # it may never have been, or still await a member; without topics it vanishes in time
        delete_group(broker.bootstrap_servers, topics.group_id)


def _read(broker: DevBroker, topics: Topics) -> TopicReader:
    """A reader of the three topics, from their beginning."""
    from worker.devbroker.clients import TopicReader

    return TopicReader(broker.bootstrap_servers, list(topics.outgoing), api_version=broker.api_version)


def _await_ready(worker: WorkerProcess) -> None:
    deadline = time.monotonic() + READY_TIMEOUT_S
    while not worker.ready():
        if time.monotonic() > deadline:
            raise EmostreamError(f"the worker was not ready within {READY_TIMEOUT_S:.0f} s")
        time.sleep(POLL_S)


def _follow(
    worker: WorkerProcess, sending: Sending, reader: TopicReader, topics: Topics, screen: Screen, *, expected: int
) -> float:
    """Count outcomes until each message has one, or none has come for a while; the seconds that took."""
    tally = Tally()
    progress_at = time.monotonic()
    with screen.live(expected) as counts:
        while tally.messages < expected and time.monotonic() - progress_at < STALL_TIMEOUT_S:
            records = reader.poll(timeout_s=POLL_S)
            tally.add(outcome(record, topics) for record in records)
            if records:
                progress_at = time.monotonic()
            counts.update(tally, seconds=sending.seconds)
            sending.check(expected)
            worker.check()
        return sending.seconds


def _outcomes(broker: DevBroker, topics: Topics) -> Iterator[Outcome]:
    """Everything in the three topics, read anew."""
    with closing(_read(broker, topics)) as reader:
        for records in reader.rest():
            yield from (outcome(record, topics) for record in records)
