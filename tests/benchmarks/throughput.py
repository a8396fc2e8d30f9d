"""Kafka to Kafka on the jvm broker: `emostream run` (exactly once) beside the loop that users write today.

Both take turns over the same texts and the same checkpoint. A rate is that of the outcomes between the first and the
last one's timestamps, so that start-up does not count; CPU seconds are the whole process's, start-up included.
"""

from __future__ import annotations

import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Annotated

import typer

from tests.conftest import Topics
from tests.e2e.processes import Way
from tests.kafka_io import Stored, ToSend, produce, read_topic
from worker.demo.messages import texts as demo_texts
from worker.devbroker.jvm import JvmBroker

LOOP = "poll 32, pipeline(batch_size=32), send, flush, commit"


@dataclass(frozen=True)
class Round:
    """One contender's way through all messages."""

    contender: str
    delivery: str
    messages: int
    per_s: float
    cpu_s: float


def main(
    messages: Annotated[int, typer.Option(help="Messages of each round.")] = 20_000,
    rounds: Annotated[int, typer.Option(help="Rounds of each contender; the median counts.")] = 3,
    model: Annotated[str, typer.Option(help="What `emostream run` is given.")] = "builtin:emotion-tiny",
    checkpoint: Annotated[
        str, typer.Option(help="The same model in Hugging Face form.")
    ] = "worker/models/emotion-tiny",
    out: Annotated[Path | None, typer.Option(help="JSON file for the figures.")] = None,
) -> None:
    """Print a table of medians and ratios, as it stands in docs/benchmarks.md."""
    texts = demo_texts()
    records = [
        ToSend(json.dumps({"id": number, "text": texts[number % len(texts)]}).encode(), partition=number % 4)
        for number in range(messages)
    ]
    done: list[Round] = []
    with JvmBroker.start() as broker, tempfile.TemporaryDirectory() as folder:
        for number in range(rounds):
            for contender in (the_loop, emostream):
                way = Way.made(Topics(broker.bootstrap_servers), f"bench-{contender.__name__}-{number}")
                produce(way.bootstrap_servers, way.input, records)
                done.append(contender(way, Path(folder), model, checkpoint, messages))
                typer.echo(f"{done[-1].contender}: {done[-1].per_s:.0f}/s, {done[-1].cpu_s:.1f} CPU s", err=True)
    typer.echo(table(done, model))
    if out is not None:
        out.write_text(
            json.dumps({"machine": machine(), "model": model, "rounds": [asdict(r) for r in done]}, indent=1)
        )


def the_loop(way: Way, _folder: Path, _model: str, checkpoint: str, messages: int) -> Round:
    program = str(Path(__file__).with_name("loop.py"))
    cpu_s = timed([sys.executable, program, way.bootstrap_servers, way.group_id, way.input, way.output, checkpoint])
    return measured(LOOP, "at least once", read_topic(way.bootstrap_servers, way.output), messages, cpu_s)


def emostream(way: Way, folder: Path, model: str, _checkpoint: str, messages: int) -> Round:
    config = way.config(folder, model={"name": model}, logging={"level": "error"}, inference={"cache_size": 0})
    cpu_s = timed([sys.executable, "-m", "worker", "run", "--config", str(config), "--until-caught-up"])
    outcomes = way.outcomes()
    if len(set(outcomes.ids())) != messages or outcomes.misordered() or not way.committed_to_the_end():
        raise SystemExit("emostream run: outcomes are missing or out of order, or offsets do not stand at the log end")
    return measured("emostream run", "exactly once", [*outcomes.output, *outcomes.review], messages, cpu_s)


def timed(command: Sequence[str]) -> float:
    """Run it; user and system seconds of the process."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, env={**os.environ, "TOKENIZERS_PARALLELISM": "true"})
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def measured(contender: str, delivery: str, outcomes: Sequence[Stored], messages: int, cpu_s: float) -> Round:
    if len(outcomes) != messages:
        raise SystemExit(f"{contender}: {len(outcomes)} outcomes of {messages} messages")
    times = sorted(record.timestamp_ms for record in outcomes)
    later = sum(moment > times[0] for moment in times)
    return Round(contender, delivery, messages, later / (times[-1] - times[0]) * 1000, cpu_s)


def table(rounds: Sequence[Round], model: str) -> str:
    """Markdown: medians of each contender, and how many times the loop's rate."""
    names = list(dict.fromkeys(each.contender for each in rounds))
    rates = {name: [each.per_s for each in rounds if each.contender == name] for name in names}
    cpu = {name: [each.cpu_s / each.messages * 100_000 for each in rounds if each.contender == name] for name in names}
    deliveries = {each.contender: each.delivery for each in rounds}
    lines = [
        f"| {model} | delivery | messages/s, median (min-max) | ratio | CPU s per 100 000 |",
        "|---|---|---|---|---|",
    ]
    for name in names:
        low, high = min(rates[name]), max(rates[name])
        ratio = median(rates[name]) / median(rates[LOOP])
        lines.append(
            f"| {name} | {deliveries[name]} | {median(rates[name]):.0f} ({low:.0f}-{high:.0f}) "
            f"| {ratio:.2f} | {median(cpu[name]):.0f} |"
        )
    return "\n".join(lines)


def machine() -> dict[str, object]:
    """What the figures were taken on."""
    models = [
        line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line
    ]
    return {
        "cpu": models[0] if models else platform.processor(),
        "cpus": len(os.sched_getaffinity(0)),
        "load_1_min": os.getloadavg()[0],
        "python": platform.python_version(),
        "date": time.strftime("%Y-%m-%d"),
    }


if __name__ == "__main__":
    typer.run(main)
