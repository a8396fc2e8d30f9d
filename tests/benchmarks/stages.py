"""Part `stages`: what each step of a message's way costs in processor time, tiny model, over both Kafka clients."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from statistics import median
from typing import Any

from rich.console import Console

from tests.benchmarks.environments import ROOT
from tests.benchmarks.figures import markdown, number
from tests.benchmarks.kafka_round import emostream_config, filled
from tests.benchmarks.plan import Plan, subject
from tests.benchmarks.staged_worker import DECIDE, INTAKE, MODEL, POLL, PUBLISH, REST, TOKENIZE
from tests.benchmarks.texts import distinct
from worker.devbroker.jvm import JvmBroker

MESSAGES = 40_000
CLIENTS = ("kafka-python", "confluent-kafka")
ORDER = (POLL, INTAKE, TOKENIZE, MODEL, DECIDE, PUBLISH, REST)


def run(plan: Plan, console: Console) -> dict[str, Any]:
    chosen = subject("tiny")
    texts = distinct(plan.count(MESSAGES, least=2000))
    found: dict[str, dict[str, list[float]]] = {client: {stage: [] for stage in ORDER} for client in CLIENTS}
    with JvmBroker.start() as broker, tempfile.TemporaryDirectory() as folder:
        for _ in range(plan.rounds):
            for client in CLIENTS:
                settings = {"kafka": {"client": client}, "inference": {"cache_size": 0}}
                config = emostream_config(filled(broker, texts), Path(folder), chosen.model, settings)
                command = [sys.executable, "-m", "tests.benchmarks.staged_worker", str(config)]
                answer = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
                seconds = json.loads(answer.splitlines()[-1])
                for stage in ORDER:
                    found[client][stage].append(round(seconds[stage] / len(texts) * 1e6, 2))
                console.print(f"{client}: { ({stage: each[-1] for stage, each in found[client].items()}) }")
    return {"about": chosen.about, "messages": len(texts), "clients": found}


def tables(measured: Mapping[str, Any]) -> dict[str, str]:
    """`stages`: microseconds of processor time for a message, medians of the rounds."""
    clients = measured["clients"]
    middle = {client: {stage: median(each[stage]) for stage in ORDER} for client, each in clients.items()}
    rows = [(stage, *(number(middle[client][stage]) for client in clients)) for stage in ORDER]
    whole = {client: sum(stages.values()) for client, stages in middle.items()}
    rows.append(("all of it", *(number(whole[client]) for client in clients)))
    rows.append(("all but the model", *(number(whole[client] - middle[client][MODEL]) for client in clients)))
    return {"stages": markdown(("CPU µs of a message", *clients), rows)}
