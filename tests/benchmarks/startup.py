"""Part `start-up`: from the start of a process to what it is started for, with all files read before."""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console

from tests.benchmarks.end_to_end import ANCHOR, OURS
from tests.benchmarks.figures import markdown, spread
from tests.benchmarks.kafka_round import JOIN_S, PROGRAMS, Ends, emostream_config, filled
from tests.benchmarks.plan import Plan, subject
from tests.benchmarks.processes import Contender, attempt, named
from tests.benchmarks.texts import distinct
from worker.devbroker.jvm import JvmBroker

OFTEN_S = 0.02
COLUMNS = ("from the start of the process to", "seconds, median (min-max)")


def run(plan: Plan, console: Console) -> dict[str, Any]:
    with JvmBroker.start() as broker, tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        tasks = {
            "the end of `emostream --help`": partial(ended, folder, "--help"),
            **{
                f"the end of `emostream classify --model builtin:{name}` of one text": partial(classified, folder, name)
                for name in ("emotion-tiny", "emotion")
            },
            f"the first outcome of {OURS}, builtin:emotion-tiny": partial(first_outcome, folder, broker, ours=True),
            f"the first outcome of {ANCHOR}, the same": partial(first_outcome, folder, broker, ours=False),
        }
        for task in tasks.values():
            attempt({"rounds": []}, partial(_as_round, task))
        found: dict[str, dict[str, Any]] = {name: {"rounds": []} for name in tasks}
        for _ in range(plan.rounds):
            for name, task in tasks.items():
                told = attempt(found[name], partial(_as_round, task))
                console.print(f"{name}: {told}")
    return {"tasks": found}


def _as_round(task: Callable[[], float]) -> dict[str, float]:
    return {"seconds": round(task(), 3)}


def ended(folder: Path, *words: str) -> float:
    began = time.monotonic()
    with Contender([sys.executable, "-m", "worker", *words], log=folder / "log") as contender:
        contender.wait(timeout_s=JOIN_S)
        return time.monotonic() - began


def classified(folder: Path, model: str) -> float:
    text = folder / "text.txt"
    text.write_text(f"{distinct(1)[0]}\n")
    return ended(folder, "classify", "--model", f"builtin:{model}", "--input", str(text), "--output", "/dev/null")


def first_outcome(folder: Path, broker: JvmBroker, *, ours: bool) -> float:
    """A record waits already; the group is new, so that nobody else has to leave it first."""
    chosen = subject("tiny")
    way = filled(broker, distinct(1))
    ends = Ends(way.bootstrap_servers, way.output, way.review)
    if ours:
        command: Sequence[str] = ("-m", "worker", "run", "--config")
        arguments = (str(emostream_config(way, folder, chosen.model, {})),)
    else:
        command = (str(PROGRAMS / "loop.py"), way.bootstrap_servers, way.group_id, way.input, way.output)
        arguments = (str(chosen.checkpoint), "32")
    began = time.monotonic()
    with Contender([sys.executable, *command, *arguments], log=folder / "log") as contender:
        contender.wait_until(lambda: ends() > 0, timeout_s=JOIN_S, every_s=OFTEN_S)
        took_s = time.monotonic() - began
    ends.close()
    return took_s


def tables(measured: Mapping[str, Any]) -> dict[str, str]:
    """`start-up`."""
    rows = []
    for name, found in measured["tasks"].items():
        seconds = [each["seconds"] for each in found["rounds"]]
        rows.append((named(name, found), spread(seconds) if seconds else "not measured"))
    return {"start-up": markdown(COLUMNS, rows)}
