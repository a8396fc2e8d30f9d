"""Part `scaling`: 1, 2 and 4 partitions and workers on this machine's cores, tiny model.

Workers are started first and have their partitions before the messages are written all at once; a worker that is to
have one core is bound to it, so that two workers of one core show what a second machine would bring, less the broker
and the producer, which share the cores. The engine alone takes its turn with all cores.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

from confluent_kafka.admin import AdminClient
from rich.console import Console

from tests.benchmarks.end_to_end import confluent_is_there, engine_alone
from tests.benchmarks.engine import rates as engine_rates
from tests.benchmarks.figures import markdown, number, rate_of, ratio, spread
from tests.benchmarks.kafka_round import JOIN_S, Ends, emostream_config, made_way, patience_s, stable_members
from tests.benchmarks.plan import Plan, Subject, subject
from tests.benchmarks.processes import Contender, ContenderFailed, attempt, named
from tests.benchmarks.texts import distinct
from tests.e2e.processes import Way
from tests.kafka_io import ToSend, produce
from worker.devbroker.jvm import JvmBroker

MESSAGES = 20_000
BOUND = "import os, sys; os.sched_setaffinity(0, {int(sys.argv[1])}); os.execv(sys.argv[2], sys.argv[2:])"
COLUMNS = (
    "partitions",
    "workers",
    "cores of a worker",
    "client",
    "messages/s, median (min-max)",
    "to the first line",
    "of the engine's own",
    "CPU s per 100 000, start-up and all",
)


@dataclass(frozen=True)
class Fleet:
    """`bound`: each worker has one core of its own, in turns; else all share all."""

    partitions: int
    workers: int
    bound: bool
    client: str = "kafka-python"


FLEETS = (
    Fleet(1, 1, bound=True),
    Fleet(2, 2, bound=True),
    Fleet(1, 1, bound=False),
    Fleet(4, 1, bound=False),
    Fleet(2, 2, bound=False),
    Fleet(4, 4, bound=False),
    Fleet(2, 2, bound=False, client="confluent-kafka"),
)


def run(plan: Plan, console: Console) -> dict[str, Any]:
    chosen = subject("tiny")
    texts = distinct(plan.count(MESSAGES, least=4000))
    fleets = [fleet for fleet in FLEETS if fleet.client == "kafka-python" or confluent_is_there()]
    found: list[dict[str, Any]] = [{**vars(fleet), "rounds": []} for fleet in fleets]
    alone: dict[str, Any] = {"rounds": []}
    with JvmBroker.start() as broker:
        for _ in range(plan.rounds):
            for fleet, each in zip(fleets, found, strict=True):
                told = attempt(each, partial(one_round, fleet, broker, chosen, texts))
                console.print(f"{fleet}: {told}")
            console.print(f"engine alone: {attempt(alone, partial(engine_alone, chosen, texts))}")
    cores = len(os.sched_getaffinity(0))
    return {"about": chosen.about, "cores": cores, "fleets": found, "engine_alone": alone}


def one_round(fleet: Fleet, broker: JvmBroker, chosen: Subject, texts: Sequence[str]) -> dict[str, float]:
    way = made_way(broker, partitions=fleet.partitions)
    admin = AdminClient({"bootstrap.servers": way.bootstrap_servers})
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        workers = [
            stack.enter_context(_worker(fleet, number, way, Path(folder), chosen)) for number in range(fleet.workers)
        ]
        workers[0].wait_until(
            lambda: stable_members(admin, way.group_id) == fleet.workers, timeout_s=2 * JOIN_S, every_s=0.5
        )
        ends = Ends(way.bootstrap_servers, way.output, way.review)
        sent = [ToSend(_value(number, text), partition=number % fleet.partitions) for number, text in enumerate(texts)]
        produce(way.bootstrap_servers, way.input, sent)
        patience = patience_s(len(texts), chosen, 1.0)
        # markers of transactions are counted too, so this comes a little early: the drain does the rest
        workers[0].wait_until(lambda: ends() >= len(texts), timeout_s=patience, every_s=0.5)
        ends.close()
        cpu_s = sum(worker.end().cpu_s for worker in workers)
    outcomes = way.outcomes()
    if sorted(set(outcomes.ids())) != sorted(outcomes.ids()):
        raise ContenderFailed("some outcomes are there twice")
    moments = [record.timestamp_ms for record in (*outcomes.output, *outcomes.review)]
    return {"messages": len(moments), "per_s": round(rate_of(moments), 1), "cpu_s": round(cpu_s, 2)}


def _worker(fleet: Fleet, number: int, way: Way, folder: Path, chosen: Subject) -> Contender:
    place = folder / str(number)
    place.mkdir()
    config = emostream_config(way, place, chosen.model, {"kafka": {"client": fleet.client}})
    command = [sys.executable, "-m", "worker", "run", "--config", str(config)]
    if fleet.bound:
        cores = sorted(os.sched_getaffinity(0))
        command = [sys.executable, "-c", BOUND, str(cores[number % len(cores)]), *command]
    return Contender(command, log=place / "log")


def _value(number: int, text: str) -> bytes:
    return json.dumps({"id": number, "text": text}).encode()


def tables(measured: Mapping[str, Any]) -> dict[str, str]:
    """`scaling`."""
    rows, base = [], [each["per_s"] for each in measured["fleets"][0]["rounds"]]
    alone = engine_rates(measured["engine_alone"])
    for fleet in measured["fleets"]:
        rates = [each["per_s"] for each in fleet["rounds"]]
        cores = "1, its own" if fleet["bound"] else f"{measured['cores']}, shared by all"
        shown = (str(fleet["partitions"]), str(fleet["workers"]), cores, fleet["client"])
        if not rates:
            rows.append((*shown, named("not measured", fleet), "", "", ""))
            continue
        cpu = [each["cpu_s"] / each["messages"] * 1e5 for each in fleet["rounds"]]
        rows.append(
            (
                *shown,
                named(spread(rates), fleet),
                number(ratio(rates, base)) if base else "",
                f"{median(rates) / median(alone):.0%}" if alone else "",
                number(sum(cpu) / len(cpu)),
            )
        )
    engine = f"{measured['about']}; the engine alone: {spread(alone)} texts/s.\n\n" if alone else ""
    return {"scaling": engine + markdown(COLUMNS, rows)}
