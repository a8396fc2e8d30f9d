"""Part `latency`: from produce to read-committed consume, at shares of the capacity and at fixed rates, tiny model."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from confluent_kafka.admin import AdminClient
from rich.console import Console

from tests.benchmarks.end_to_end import ANCHOR
from tests.benchmarks.environments import ROOT
from tests.benchmarks.figures import markdown, number, percentile, spread
from tests.benchmarks.kafka_round import (
    EXACTLY_ONCE,
    JOIN_S,
    PARTITIONS,
    Entrant,
    emostream_config,
    made_way,
    stable_members,
)
from tests.benchmarks.plan import Plan, Subject, subject
from tests.benchmarks.processes import FAILURES, Contender, named
from tests.benchmarks.texts import distinct
from tests.benchmarks.traffic import LINGER_MS, LINGERING_S, Wanted
from tests.e2e.processes import Way
from worker.devbroker.jvm import JvmBroker

OURS = "emostream run"
SHARES = (0.1, 0.5, 0.8)
RATES = (400.0, 2000.0)
LONGER_DELAY = {"batch": {"max_delay_s": 0.05}}
ANCHOR_RATE = 400.0
WARM_UP_S, WINDOW_S = 3.0, 6.0
CAPACITY_MESSAGES = 20_000
PERCENTILES = {"p50": 0.5, "p95": 0.95, "p99": 0.99}
COLUMNS = ("from produce to read-committed consume", "messages/s", "p50 ms", "p95 ms", "p99 ms", "not within 10 s")


@dataclass(frozen=True)
class Case:
    """Who, under which load. `settings`: sections of emostream's configuration."""

    contender: str
    load: str
    rate: float
    settings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    linger_ms: int = LINGER_MS


def run(plan: Plan, console: Console) -> dict[str, Any]:
    chosen = subject("tiny")
    with JvmBroker.start() as broker:
        texts = distinct(plan.count(CAPACITY_MESSAGES, least=4000))
        capacity = Entrant(OURS, EXACTLY_ONCE, 1.0, None, None).round(broker, chosen, texts).per_s
        console.print(f"capacity: {capacity:.0f}/s")
        everyone = cases(capacity)
        rounds: list[list[dict[str, Any]]] = [[] for _ in everyone]
        for _ in range(plan.rounds):
            for case, done in zip(everyone, rounds, strict=True):
                done.append(one_round(case, broker, chosen, plan))
                console.print(f"{case.contender}, {case.load}: {done[-1]}")
    found = [
        {"contender": case.contender, "load": case.load, "per_s": round(case.rate), **together(done)}
        for case, done in zip(everyone, rounds, strict=True)
    ]
    return {"about": chosen.about, "capacity": round(capacity), "window_s": WINDOW_S, "cases": found}


def cases(capacity: float) -> list[Case]:
    loads = {f"{share:.0%} of capacity": capacity * share for share in SHARES}
    loads |= {f"{rate:.0f}/s": rate for rate in RATES}
    return [
        *(Case(OURS, load, rate) for load, rate in loads.items()),
        *(Case(OURS, f"{rate:.0f}/s, each record sent at once", rate, linger_ms=0) for rate in RATES),
        *(Case(f"{OURS}, max_delay_s: 0.05", f"{rate:.0f}/s", rate, LONGER_DELAY) for rate in RATES),
        Case(ANCHOR, f"{ANCHOR_RATE:.0f}/s", ANCHOR_RATE),
    ]


def one_round(case: Case, broker: JvmBroker, chosen: Subject, plan: Plan) -> dict[str, Any]:
    """One window of traffic, with a contender started anew."""
    way = made_way(broker)
    with tempfile.TemporaryDirectory() as folder:
        if case.contender == ANCHOR:
            program = Path(__file__).with_name("contenders") / "loop.py"
            places = [way.bootstrap_servers, way.group_id, way.input, way.output, str(chosen.checkpoint), "32"]
            command = [sys.executable, str(program), *places]
        else:
            config = emostream_config(way, Path(folder), chosen.model, case.settings)
            command = [sys.executable, "-m", "worker", "run", "--config", str(config)]
        return measured(command, Path(folder), way, case, plan)


def measured(command: Sequence[str], folder: Path, way: Way, case: Case, plan: Plan) -> dict[str, Any]:
    """Traffic once the contender has its partitions: each percentile, in milliseconds."""
    admin = AdminClient({"bootstrap.servers": way.bootstrap_servers})
    wanted = Wanted(
        bootstrap_servers=way.bootstrap_servers,
        source=way.input,
        targets=(way.output, way.review),
        partitions=PARTITIONS,
        rate=case.rate,
        warm_up_s=WARM_UP_S,
        window_s=max(1.0, WINDOW_S * min(1.0, plan.share)),
        linger_ms=case.linger_ms,
    )
    try:
        with Contender(command, log=folder / "log") as contender:
            contender.wait_until(lambda: stable_members(admin, way.group_id) > 0, timeout_s=JOIN_S)
            asked = subprocess.run(
                [sys.executable, "-m", "tests.benchmarks.traffic"],
                input=json.dumps(asdict(wanted)) + "\n",
                cwd=ROOT,
                capture_output=True,
                text=True,
                timeout=60 + wanted.count / case.rate + LINGERING_S,
                check=True,
            )
            peak_mib = contender.end().peak_mib
    except FAILURES as failed:
        return {"failed": str(failed).splitlines()[0]}
    answer = json.loads(asked.stdout.splitlines()[-1])
    delays = answer["delays_ms"]
    if not delays:
        return {"failed": "no outcome came in time"}
    found = {name: round(percentile(delays, share), 1) for name, share in PERCENTILES.items()}
    return {**found, "lost": answer["lost"], "peak_mib": round(peak_mib)}


def together(rounds: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Each percentile of every round that did not fail, what was lost in all of them, and the highest peak."""
    done = [each for each in rounds if "failed" not in each]
    if not done:
        return {"failed": rounds[-1]["failed"]}
    percentiles = {name: [each[name] for each in done] for name in PERCENTILES}
    return {
        **percentiles,
        "lost": sum(each["lost"] for each in done),
        "peak_mib": max(each["peak_mib"] for each in done),
        "failures": [each["failed"] for each in rounds if "failed" in each],
    }


def tables(measured: Mapping[str, Any]) -> dict[str, str]:
    """`latency`: medians (least-most) of the rounds."""
    rows = []
    for case in measured["cases"]:
        place = named(f"{case['contender']}, {case['load']}", case)
        if "failed" in case:
            rows.append((place, number(case["per_s"]), f"not measured: {case.get('failed')}", "", "", ""))
            continue
        rows.append((place, number(case["per_s"]), *(spread(case[name]) for name in PERCENTILES), str(case["lost"])))
    capacity = f"{measured['about']}; capacity {number(measured['capacity'])} messages/s in the same run:\n\n"
    return {"latency": capacity + markdown(COLUMNS, rows)}
