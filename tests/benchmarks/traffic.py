"""A paced producer and a read-committed consumer in one process of their own: how long records take.

Each record carries the moment it was handed to the producer; the delay is from there to the moment its outcome came out
of a read-committed consumer, on one machine's clock. Sending follows the schedule whatever comes back (an open loop).

`python -m tests.benchmarks.traffic` reads one line of JSON (a `Wanted`) and writes one (`delays_ms`, `lost`).
"""

from __future__ import annotations

import json
import re
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from confluent_kafka import Consumer, Producer, TopicPartition

from tests.benchmarks.texts import distinct
from tests.kafka_io import TIMEOUT_S

TICK_S = 0.001
LINGER_MS = 5
"""How long a producer gathers records if nobody says otherwise: librdkafka, and the Java client as of Kafka 4."""
SENT = re.compile(rb'"sent_ns": ?(\d+)')
LINGERING_S = 10.0
"""How long after the last record was sent its outcome may come."""


@dataclass(frozen=True)
class Wanted:
    """`rate` records a second, for `warm_up_s` and then for `window_s`, gathered by the producer for `linger_ms`."""

    bootstrap_servers: str
    source: str
    targets: Sequence[str]
    partitions: int
    rate: float
    warm_up_s: float
    window_s: float
    linger_ms: int = LINGER_MS

    @property
    def count(self) -> int:
        return int(self.rate * (self.warm_up_s + self.window_s))


def send(wanted: Wanted, began_ns: int) -> None:
    texts = distinct(min(wanted.count, 30_000))
    heads = [json.dumps({"text": text})[:-1] for text in texts]
    producer = Producer({"bootstrap.servers": wanted.bootstrap_servers, "linger.ms": wanted.linger_ms})
    for number in range(wanted.count):
        due_ns = began_ns + int(number / wanted.rate * 1e9)
        while (ahead_ns := due_ns - time.time_ns()) > 0:
            producer.poll(0)
            time.sleep(min(ahead_ns / 1e9, TICK_S))
        value = f'{heads[number % len(heads)]}, "id": {number}, "sent_ns": {time.time_ns()}}}'.encode()
        producer.produce(wanted.source, value, partition=number % wanted.partitions)
    producer.flush(TIMEOUT_S)


def received(wanted: Wanted, deadline_s: float, ready: threading.Event) -> Iterator[tuple[int, int]]:
    """When each outcome's record was sent, and when it came, in nanoseconds."""
    consumer = Consumer(
        {
            "bootstrap.servers": wanted.bootstrap_servers,
            "group.id": f"traffic-{time.time_ns()}",
            "isolation.level": "read_committed",
            "enable.auto.commit": False,
            "fetch.wait.max.ms": 500,
        }
    )
    known = {topic: consumer.list_topics(topic, timeout=TIMEOUT_S).topics[topic] for topic in wanted.targets}
    consumer.assign([TopicPartition(topic, each, 0) for topic, found in known.items() for each in found.partitions])
    consumer.poll(0.5)
    ready.set()
    came = 0
    while came < wanted.count and time.time() < deadline_s:
        message = consumer.poll(0.2)
        if message is None or message.error():
            continue
        now_ns = time.time_ns()
        found_sent = SENT.search(message.value())
        if found_sent is not None:
            came += 1
            yield int(found_sent[1]), now_ns
    consumer.close()


def delays_ms(wanted: Wanted) -> dict[str, object]:
    """Of the records sent in the window, and how many outcomes never came."""
    length_s = wanted.count / wanted.rate
    ready = threading.Event()
    began_ns = time.time_ns() + int(1.5e9)
    moments: list[tuple[int, int]] = []
    deadline_s = began_ns / 1e9 + length_s + LINGERING_S
    reader = threading.Thread(target=lambda: moments.extend(received(wanted, deadline_s, ready)))
    reader.start()
    ready.wait(TIMEOUT_S)
    send(wanted, began_ns)
    reader.join()
    window_ns = began_ns + int(wanted.warm_up_s * 1e9)
    delays = [round((came_ns - sent_ns) / 1e6, 2) for sent_ns, came_ns in moments if sent_ns >= window_ns]
    return {"delays_ms": delays, "lost": wanted.count - len(moments)}


if __name__ == "__main__":
    print(json.dumps(delays_ms(Wanted(**json.loads(sys.stdin.readline())))))
