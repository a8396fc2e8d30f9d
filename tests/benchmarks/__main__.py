"""`python -m tests.benchmarks [PART …]`: measure, and put the figures into docs/benchmarks.json and docs/benchmarks.md.

Each part replaces its own figures as soon as it is done (end-to-end: those of each model), so that a run may be broken
off and gone on with by part, and with `--models` by model.
"""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from tests.benchmarks import (
    batching,
    cost_tables,
    documents,
    end_to_end,
    engine,
    latency,
    memory,
    scaling,
    stages,
    startup,
)
from tests.benchmarks.environments import prepare
from tests.benchmarks.machine import machine
from tests.benchmarks.plan import Plan, make_int8, subject

PARTS: dict[str, Callable[[Plan, Console], dict[str, Any]]] = {
    "engine": engine.run,
    "batching": batching.run,
    "end-to-end": end_to_end.run,
    "stages": stages.run,
    "latency": latency.run,
    "scaling": scaling.run,
    "start-up": startup.run,
}
MEMORY = "memory"
WITHOUT_A_CLOCK = ("batching",)
TABLES: dict[str, Callable[[Mapping[str, Any]], dict[str, str]]] = {
    "engine": engine.tables,
    "batching": batching.tables,
    "end-to-end": end_to_end.tables,
    "stages": stages.tables,
    "latency": latency.tables,
    MEMORY: memory.tables,
    "scaling": scaling.tables,
    "start-up": startup.tables,
}


def main(
    parts: Annotated[list[str] | None, typer.Argument(help=f"{', '.join(TABLES)}; none: all of them.")] = None,
    rounds: Annotated[int, typer.Option(help="Rounds of each contender; medians count.")] = 3,
    share: Annotated[float, typer.Option(help="Of the usual numbers of messages: 0.05 is a quick trial.")] = 1.0,
    models: Annotated[
        str, typer.Option(help="tiny, emotion, distilbert, or some of them.")
    ] = "tiny,emotion,distilbert",
    out: Annotated[Path, typer.Option(help="Folder of benchmarks.md and benchmarks.json.")] = documents.DOCS,
    only_docs: Annotated[bool, typer.Option("--only-docs", help="Measure nothing: write the tables again.")] = False,
) -> None:
    """Measure the parts named, on a quiet machine. A part left out keeps the figures it had."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that contenders and the broker end too
    console = Console(highlight=False, soft_wrap=True)
    wanted = parts or list(TABLES)
    if unknown := [part for part in wanted if part not in TABLES]:
        raise typer.BadParameter(f"{', '.join(unknown)}: there are {', '.join(TABLES)}")
    if not only_docs:
        plan = Plan(rounds, share, tuple(models.split(",")), prepare(console))
        if {"engine", "end-to-end"} & set(wanted):
            quantize(plan, console)
        for part, step in steps(wanted, plan):
            former = documents.read(out).get(part, {})
            documents.store(part, documents.merged(former, measured(part, step, console, out)), out)
            write(console, out)
    write(console, out)
    console.print(f"figures: {out / documents.DATA}; tables: {out / documents.PAGE}")


def steps(wanted: Sequence[str], plan: Plan) -> Iterator[tuple[str, Plan]]:
    """What is measured and then written; the longest part goes model by model."""
    for part in (part for part in TABLES if part in wanted):
        if part == "end-to-end":
            yield from ((part, replace(plan, subjects=(name,))) for name in plan.subjects)
        else:
            yield part, plan


def quantize(plan: Plan, console: Console) -> None:
    """The int8 forms, before any clock runs; tiny gains nothing by it."""
    for name in [name for name in plan.subjects if name != "tiny"]:
        if (refusal := make_int8(subject(name))) is not None:
            console.print(f"left out: {name} in int8: {refusal}")


def measured(part: str, plan: Plan, console: Console, out: Path) -> dict[str, Any]:
    if part == MEMORY:
        return memory.collected(documents.read(out))
    console.rule(part)
    described, began = machine(), time.monotonic()
    found = PARTS[part](plan, console)
    took_s = round(time.monotonic() - began)
    console.print(f"{part} took {took_s} s")
    machines = {"machines": dict.fromkeys(found["models"], described)} if "models" in found else {}
    return {"machine": described, **machines, "rounds": plan.rounds, "share": plan.share, "took_s": took_s, **found}


def write(console: Console, out: Path) -> None:
    """All tables of all that was measured so far."""
    everything = documents.read(out)
    for name in documents.rewrite(all_tables(everything), out):
        console.print(f"{out / documents.PAGE} has no markers for {name}: its table is left out")


def all_tables(everything: Mapping[str, Any]) -> dict[str, str]:
    tables: dict[str, str] = {}
    for part in [part for part in TABLES if part in everything]:
        tables |= TABLES[part](everything[part])
        if "machine" in everything[part] and part not in WITHOUT_A_CLOCK:
            tables[f"machine of {part}"] = documents.machine_of(everything[part])
    return {**tables, **cost_tables.tables(everything)}


if __name__ == "__main__":
    typer.run(main)
