"""What flows while workers are hurt: a paced stream of texts in, and an eye on what comes out and when.

Both use confluent-kafka, a client independent of the workers', on addresses that no proxy hurts.
"""

from __future__ import annotations

import json
import random
import threading
import time
from collections.abc import Callable, Sequence
from typing import Self

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, Message, Producer, TopicPartition

from tests.chaos.checker import Outcome, Place
from tests.e2e.processes import identity
from tests.kafka_io import Stored, read_topic
from tests.kafka_io import _stored as stored

FEELINGS = ("i feel happy today", "i am so sad", "i am furious", "that scares me", "i love you", "what a surprise")
LONGEST_OUTAGE_S = 600
BAD_SHARE = 0.02
BURSTS = (1, 1, 1, 1, 10, 100)


class _Background:
    """A thread that repeats one step until the block ends."""

    def __init__(self, name: str) -> None:
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join(60)

    def _run(self) -> None:
        while not self._ended.is_set():
            self.step()

    def step(self) -> None:
        raise NotImplementedError


class Sender(_Background):
    """Writes `rate` records a second on average, singly and in bursts, evenly over the partitions.

    Some have keys, some are no JSON.
    """

    def __init__(self, bootstrap_servers: str, topic: str, *, partitions: int, rate: float, seed: int) -> None:
        super().__init__("chaos-sender")
        self.acknowledged: dict[Place, float] = {}
        self.partitions = partitions
        self._topic = topic
        self._pause_s = 1 / rate
        self._rng = random.Random(seed)
        self._number = 0
        self._producer = Producer(
            {
                "bootstrap.servers": bootstrap_servers,
                "enable.idempotence": True,
                "linger.ms": 5,
                "message.timeout.ms": LONGEST_OUTAGE_S * 1000,
                "reconnect.backoff.max.ms": 500,
                "log_level": 0,
            }
        )

    def step(self) -> None:
        burst = self._rng.choice(BURSTS)
        for _ in range(burst):
            self._send()
        self._producer.poll(0)
        self._ended.wait(burst * self._pause_s)

    def _send(self) -> None:
        self._number += 1
        partition = self._number % self.partitions
        key = f"{partition}-{self._rng.randrange(20)}".encode() if self._rng.random() < 0.5 else None
        text = f"{self._rng.choice(FEELINGS)} number {self._number}"
        value = b"{broken" if self._rng.random() < BAD_SHARE else json.dumps({"text": text}).encode()
        self._producer.produce(self._topic, value=value, key=key, partition=partition, on_delivery=self._delivered)

    def __exit__(self, *_: object) -> None:
        super().__exit__()
        unsent = self._producer.flush(60)
        if unsent:
            raise AssertionError(f"{unsent} input records could not be sent")

    def _delivered(self, error: KafkaError | None, message: Message) -> None:
        if error is not None:
            raise AssertionError(f"an input record was not sent: {error}")
        self.acknowledged[Place(self._topic, message.partition(), message.offset())] = time.time()


class Watcher(_Background):
    """Sees every outcome as a read-committed reader does. `seen`: when each input record first had one."""

    def __init__(self, bootstrap_servers: str, topics: Sequence[str]) -> None:
        super().__init__("chaos-watcher")
        self.seen: dict[Place, float] = {}
        self._consumer = Consumer(
            {
                "bootstrap.servers": bootstrap_servers,
                "group.id": "chaos-watcher",
                "isolation.level": "read_committed",
                "enable.auto.commit": False,
                "reconnect.backoff.max.ms": 500,
                "log_level": 0,
                "fetch.wait.max.ms": 100,
            }
        )
        found = self._consumer.list_topics(timeout=30).topics
        self._consumer.assign(
            [TopicPartition(topic, number, OFFSET_BEGINNING) for topic in topics for number in found[topic].partitions]
        )

    def step(self) -> None:
        for message in self._consumer.consume(500, timeout=0.2):
            if message.error() is None:
                self.seen.setdefault(source_of(stored(message)), time.time())

    def __exit__(self, *_: object) -> None:
        super().__exit__()
        self._consumer.close()


def source_of(record: Stored) -> Place:
    """The input record that an outgoing one is the outcome of."""
    topic, partition, offset = identity(record).rsplit("/", 2)
    return Place(topic, int(partition), int(offset))


def inputs(bootstrap_servers: str, topic: str) -> list[Place]:
    """Every record of the input topic."""
    return [Place(each.topic, each.partition, each.offset) for each in read_topic(bootstrap_servers, topic)]


def outcomes(bootstrap_servers: str, topics: Sequence[str], *, read_committed: bool = True) -> list[Outcome]:
    """Every record of the outgoing topics, each partition in its order."""
    return [
        Outcome(source_of(record), (record.topic, record.partition))
        for topic in topics
        for record in read_topic(bootstrap_servers, topic, read_committed=read_committed)
    ]


def holds(condition: Callable[[], bool], timeout_s: float, *, every_s: float = 0.1) -> bool:
    """Wait for it; whether it came true in time."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(every_s)
    return True
