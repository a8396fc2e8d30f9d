"""One contender's way through all messages of fresh topics: how fast, at what cost, and whether it was right."""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from confluent_kafka import Consumer, ConsumerGroupState, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient

from tests.benchmarks.environments import ENVIRONMENTS
from tests.benchmarks.figures import rate_of
from tests.benchmarks.plan import Subject
from tests.benchmarks.processes import Contender, ContenderFailed, Taken, cpu_seconds
from tests.conftest import Topics, fresh
from tests.e2e.processes import Way
from tests.kafka_io import TIMEOUT_S, ToSend, produce, read_topic
from worker.devbroker.jvm import JvmBroker

PROGRAMS = Path(__file__).with_name("contenders")
PARTITIONS = 4
JOIN_S = 90.0
IDLE_S = 2.0
"""How long a contender without messages may go on polling before it is told to end: start-up's price is asked for."""
AT_LEAST_ONCE, EXACTLY_ONCE = "at least once", "exactly once"


@dataclass(frozen=True)
class Round:
    """`cpu_s`: the whole process's; `broker_cpu_s`: the broker's meanwhile."""

    messages: int
    per_s: float
    cpu_s: float
    peak_mib: float
    broker_cpu_s: float

    def as_json(self) -> dict[str, float]:
        return {name: round(value, 3) for name, value in asdict(self).items()}


@dataclass(frozen=True)
class Entrant:
    """Someone who goes from Kafka to Kafka. `share`: of the anchor's messages, since slow ones need not do them all."""

    name: str
    delivery: str
    share: float
    environment: str | None
    program: str | None
    arguments: tuple[str, ...] = ()
    settings: Mapping[str, Mapping[str, Any]] | None = None
    """Sections of emostream's configuration, where it is emostream."""

    @property
    def is_ours(self) -> bool:
        return self.program is None

    def round(self, broker: JvmBroker, chosen: Subject, texts: Sequence[str]) -> Round:
        """Raises ContenderFailed. Each of ours counts only if all outcomes are there once, in order, and committed."""
        way = filled(broker, texts)
        before = _broker_cpu(broker)
        with tempfile.TemporaryDirectory() as folder:
            run = self._run_ours if self.is_ours else self._run_theirs
            taken = run(way, Path(folder), chosen, len(texts))
        broker_cpu_s = _broker_cpu(broker) - before
        moments = self._moments(way, len(texts))
        return Round(len(texts), rate_of(moments), taken.cpu_s, taken.peak_mib, broker_cpu_s)

    def startup_cpu_s(self, broker: JvmBroker, chosen: Subject) -> float:
        """CPU seconds of a whole run over topics without messages."""
        way = filled(broker, [])
        with tempfile.TemporaryDirectory() as folder:
            run = self._run_ours if self.is_ours else self._run_theirs
            return run(way, Path(folder), chosen, 0).cpu_s

    def _run_ours(self, way: Way, folder: Path, chosen: Subject, messages: int) -> Taken:
        config = emostream_config(way, folder, chosen.model, self.settings or {})
        command = (sys.executable, "-m", "worker", "run", "--config", str(config), "--until-caught-up")
        with Contender(command, log=folder / "log") as contender:
            return contender.wait(timeout_s=patience_s(messages, chosen, 1.0))

    def _run_theirs(self, way: Way, folder: Path, chosen: Subject, messages: int) -> Taken:
        assert self.program is not None
        python = sys.executable if self.environment is None else str(ENVIRONMENTS[self.environment].python)
        places = (way.bootstrap_servers, way.group_id, way.input, way.output, str(chosen.checkpoint))
        command = (python, str(PROGRAMS / self.program), *places, *self.arguments)
        with Contender(command, log=folder / "log", folder=folder) as contender:
            if messages:
                ends = Ends(way.bootstrap_servers, way.output)
                patience = patience_s(messages, chosen, 0.15)
                contender.wait_until(lambda: ends() >= messages, timeout_s=patience, every_s=0.5)
                ends.close()
            else:
                contender.wait_until(_stable(way), timeout_s=JOIN_S)
                _let_it_idle(contender)
            return contender.end()

    def _moments(self, way: Way, messages: int) -> list[int]:
        if not self.is_ours:
            outcomes = read_topic(way.bootstrap_servers, way.output)
            seen = {json.loads(record.value or b"{}").get("id") for record in outcomes}
            if len(seen) != messages:
                raise ContenderFailed(f"{len(seen)} different outcomes of {messages} messages")
            return [record.timestamp_ms for record in outcomes]
        found = way.outcomes()
        if len(set(found.ids())) != messages or len(found.ids()) != messages or found.misordered():
            raise ContenderFailed("outcomes are missing, twice there or out of order")
        if not way.committed_to_the_end():
            raise ContenderFailed("offsets do not stand at the log end")
        return [record.timestamp_ms for record in (*found.output, *found.review)]


def emostream_config(way: Way, folder: Path, model: str, settings: Mapping[str, Mapping[str, Any]]) -> Path:
    """Everything default but the topics, the model and what is named."""
    sections = {"model": {}, "logging": {"level": "error"}, **settings}
    return way.config(folder, **{**sections, "model": {"name": model, **sections["model"]}})


def patience_s(messages: int, chosen: Subject, share: float) -> float:
    """How long it may take before it counts as failed: several times what is usual, and start-up."""
    return 90.0 + 4.0 * messages / (chosen.size * share)


def records(texts: Sequence[str]) -> list[ToSend]:
    """As the docs say: `id`, `text`, evenly over the partitions."""
    return [
        ToSend(json.dumps({"id": number, "text": text}).encode(), partition=number % PARTITIONS)
        for number, text in enumerate(texts)
    ]


def made_way(broker: JvmBroker, *, partitions: int = PARTITIONS) -> Way:
    """Fresh topics. Outcomes are stamped by the broker: some contenders pass the input's own time on."""
    topics, stamped = Topics(broker.bootstrap_servers), {"message.timestamp.type": "LogAppendTime"}
    return Way(
        broker.bootstrap_servers,
        fresh("bench"),
        topics("texts", partitions=partitions),
        topics("out", partitions=partitions, configs=stamped),
        topics("review", partitions=partitions, configs=stamped),
        topics("dead", partitions=1),
    )


class Ends:
    """How many records (and transaction markers) there are in some topics; one connection, asked often."""

    def __init__(self, bootstrap_servers: str, *topics: str) -> None:
        self._consumer = Consumer({"bootstrap.servers": bootstrap_servers, "group.id": fresh("ends")})
        self._places = [
            TopicPartition(topic, partition)
            for topic in topics
            for partition in self._consumer.list_topics(topic, timeout=TIMEOUT_S).topics[topic].partitions
        ]

    def __call__(self) -> int:
        return sum(self._consumer.get_watermark_offsets(place, timeout=TIMEOUT_S)[1] for place in self._places)

    def close(self) -> None:
        self._consumer.close()


def filled(broker: JvmBroker, texts: Sequence[str]) -> Way:
    way = made_way(broker)
    if texts:
        produce(way.bootstrap_servers, way.input, records(texts))
    return way


def _broker_cpu(broker: JvmBroker) -> float:
    return sum(cpu_seconds(pid) for pid in broker.pids.values())


def _stable(way: Way) -> Callable[[], bool]:
    """Whether the group has a member that has taken partitions."""
    admin = AdminClient({"bootstrap.servers": way.bootstrap_servers})
    return lambda: stable_members(admin, way.group_id) > 0


def stable_members(admin: AdminClient, group_id: str) -> int:
    """Members with partitions; 0 while the group is not stable."""
    (described,) = admin.describe_consumer_groups([group_id]).values()
    try:
        group = described.result()
    except KafkaException:  # the coordinator is on its way
        return 0
    if group.state != ConsumerGroupState.STABLE:
        return 0
    return sum(bool(member.assignment.topic_partitions) for member in group.members)


def _let_it_idle(contender: Contender) -> None:
    until = time.monotonic() + IDLE_S
    contender.wait_until(lambda: time.monotonic() > until, timeout_s=2 * IDLE_S)
