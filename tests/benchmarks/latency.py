"""Part `latency`: from produce to read-committed consume, at shares of the capacity and at fixed rates, tiny model."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict
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
from tests.benchmarks.processes import FAILURES, Contender
from tests.benchmarks.texts import distinct
from tests.benchmarks.traffic import LINGERING_S, Wanted
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


def run(plan: Plan, console: Console) -> dict[str, Any]:
    chosen = subject("tiny")
    with JvmBroker.start() as broker:
        texts = distinct(plan.count(CAPACITY_MESSAGES, least=4000))
        capacity = Entrant(OURS, EXACTLY_ONCE, 1.0, None, None).round(broker, chosen, texts).per_s
        console.print(f"capacity: {capacity:.0f}/s")
        loads = {f"{share:.0%} of capacity": capacity * share for share in SHARES}
        loads |= {f"{rate:.0f}/s": rate for rate in RATES}
        wanted = [(OURS, load, rate, None) for load, rate in loads.items()]
        wanted += [(f"{OURS}, max_delay_s: 0.05", f"{rate:.0f}/s", rate, LONGER_DELAY) for rate in RATES]
        cases = [
            _case(name, load, rate, ours_at(broker, chosen, rate, plan, settings), console)
            for name, load, rate, settings in wanted
        ]
        anchor = anchor_at(broker, chosen, ANCHOR_RATE, plan)
        cases.append(_case(ANCHOR, f"{ANCHOR_RATE:.0f}/s", ANCHOR_RATE, anchor, console))
    return {"about": chosen.about, "capacity": round(capacity), "window_s": WINDOW_S, "cases": cases}


def ours_at(
    broker: JvmBroker,
    chosen: Subject,
    rate: float,
    plan: Plan,
    settings: Mapping[str, Mapping[str, Any]] | None = None,
) -> dict[str, Any]:
    way = made_way(broker)
    with tempfile.TemporaryDirectory() as folder:
        config = emostream_config(way, Path(folder), chosen.model, settings or {})
        command = [sys.executable, "-m", "worker", "run", "--config", str(config)]
        return measured(command, Path(folder), way, rate, plan)


def anchor_at(broker: JvmBroker, chosen: Subject, rate: float, plan: Plan) -> dict[str, Any]:
    way = made_way(broker)
    program = Path(__file__).with_name("contenders") / "loop.py"
    places = [way.bootstrap_servers, way.group_id, way.input, way.output, str(chosen.checkpoint), "32"]
    with tempfile.TemporaryDirectory() as folder:
        return measured([sys.executable, str(program), *places], Path(folder), way, rate, plan)


def measured(command: Sequence[str], folder: Path, way: Way, rate: float, plan: Plan) -> dict[str, Any]:
    """Traffic once the contender has its partitions. As many windows as there are rounds."""
    admin = AdminClient({"bootstrap.servers": way.bootstrap_servers})
    wanted = Wanted(
        bootstrap_servers=way.bootstrap_servers,
        source=way.input,
        targets=(way.output, way.review),
        partitions=PARTITIONS,
        rate=rate,
        warm_up_s=WARM_UP_S,
        window_s=max(1.0, WINDOW_S * min(1.0, plan.share)),
        windows=plan.rounds,
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
                timeout=60 + wanted.count / rate + LINGERING_S,
                check=True,
            )
            peak_mib = contender.end().peak_mib
    except FAILURES as failed:
        return {"failed": str(failed).splitlines()[0]}
    answer = json.loads(asked.stdout.splitlines()[-1])
    return {**summary(answer["delays_ms"]), "lost": answer["lost"], "peak_mib": round(peak_mib)}


def summary(windows: Sequence[Sequence[float]]) -> dict[str, list[float]]:
    """Each percentile in each window, in milliseconds."""
    return {
        name: [round(percentile(window, share), 1) for window in windows if window]
        for name, share in PERCENTILES.items()
    }


def _case(name: str, load: str, rate: float, found: Mapping[str, Any], console: Console) -> dict[str, Any]:
    console.print(f"{name}, {load}: {found}")
    return {"contender": name, "load": load, "per_s": round(rate), **found}


def tables(measured: Mapping[str, Any]) -> dict[str, str]:
    """`latency`: medians (least-most) of the windows."""
    rows = []
    for case in measured["cases"]:
        place = f"{case['contender']}, {case['load']}"
        if "failed" in case or not case["p50"]:
            rows.append((place, number(case["per_s"]), f"not measured: {case.get('failed')}", "", "", ""))
            continue
        rows.append((place, number(case["per_s"]), *(spread(case[name]) for name in PERCENTILES), str(case["lost"])))
    capacity = f"{measured['about']}; capacity {number(measured['capacity'])} messages/s in the same run:\n\n"
    return {"latency": capacity + markdown(COLUMNS, rows)}
