"""What a change of the group costs: `python -m tests.benchmarks.rebalance` prints how long partitions stood still.

Workers of builtin:emotion-tiny on a real broker, eight partitions, 160 records a second evenly over them. Workers join,
leave at SIGTERM and are killed; for each change the longest stretch without an outcome of one partition is taken, less
the usual one.
"""

from __future__ import annotations

import argparse
import json
import signal
import statistics
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
from confluent_kafka import Producer

from tests.conftest import Topics, fresh
from tests.e2e.processes import Way, Worker, payload, worker
from worker.devbroker.jvm import JvmBroker

PARTITIONS = 8
EACH_S = 0.05
SETTLE_S = 15.0


@dataclass(frozen=True)
class Change:
    """Something that happened to the group between two moments (seconds since the epoch)."""

    name: str
    began: float
    ended: float


def send(way: Way, ended: threading.Event) -> None:
    """One record to each partition every 50 ms."""
    producer = Producer({"bootstrap.servers": way.bootstrap_servers, "linger.ms": 0})
    for number in count():
        if ended.wait(EACH_S):
            break
        for partition in range(PARTITIONS):
            value = json.dumps({"text": f"i feel fine, number {number} in {partition}"}).encode()
            producer.produce(way.input, value, partition=partition)
        producer.poll(0)
    producer.flush(10)


def changes(way: Way, folder: Path, rounds: int) -> list[Change]:
    """Two workers stay; a third joins and leaves, joins and is killed."""
    found: list[Change] = []

    def watch(name: str, act: Callable[[], Any]) -> Any:
        began = time.time()
        result = act()
        time.sleep(SETTLE_S)
        found.append(Change(name, began, time.time()))
        return result

    with ExitStack() as group:

        def start(number: int) -> Worker:
            place = folder / f"worker-{number}"
            place.mkdir()
            started = group.enter_context(worker(way.config(place)))
            started.wait_for("group.assigned")
            return started

        for number in range(2):
            start(number)
        time.sleep(SETTLE_S)
        for number in range(rounds):
            leaver = watch("joins", partial(start, 2 + 2 * number))
            watch("leaves at SIGTERM", partial(leaver.process.send_signal, signal.SIGTERM))
            victim = watch("joins", partial(start, 3 + 2 * number))
            watch("killed", victim.kill)
    return found


def standstills(way: Way, change: Change) -> np.ndarray:
    """The longest stretch without an outcome in the change's time, for each partition, in seconds [partitions]."""
    outcomes = way.outcomes()
    moments: dict[int, list[float]] = {partition: [] for partition in range(PARTITIONS)}
    for record in [*outcomes.output, *outcomes.review]:
        event = payload(record)
        at = datetime.fromisoformat(str(event["processed_at"])).timestamp()
        moments[event["source"]["partition"]].append(at)  # type: ignore[index]
    longest = []
    for each in moments.values():
        within = sorted(moment for moment in each if change.began - 1 <= moment <= change.ended)
        longest.append(max(np.diff(within), default=np.nan))
    return np.array(longest)


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--rounds", type=int, default=3)
    rounds = options.parse_args().rounds
    with JvmBroker.start() as broker, tempfile.TemporaryDirectory() as folder:
        way = Way.made(Topics(broker.bootstrap_servers), fresh("group"), partitions=PARTITIONS)
        ended = threading.Event()
        sender = threading.Thread(target=send, args=(way, ended))
        sender.start()
        found = changes(way, Path(folder), rounds)
        ended.set()
        sender.join()
        print("| change | times | stood still, seconds: median partition | longest partition, median (max) |")
        print("| --- | --- | --- | --- |")
        for name in dict.fromkeys(change.name for change in found):
            still = [standstills(way, change) for change in found if change.name == name]
            longest = [each.max() for each in still]
            middle = statistics.median(np.median(each) for each in still)
            print(f"| {name} | {len(still)} | {middle:.1f} | {statistics.median(longest):.1f} ({max(longest):.1f}) |")


if __name__ == "__main__":
    main()
