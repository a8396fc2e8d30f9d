"""`emostream advise`: partitions, workers and the lag at which to scale, from a measured rate."""

from __future__ import annotations

import json
from dataclasses import asdict
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from worker.sizing.advice import Advice, Wish


class AdviceFormat(StrEnum):
    """How the advice is written."""

    TABLE = "table"
    HELM = "helm"
    JSON = "json"


def advise(
    rate: Annotated[float, typer.Option(help="Records a second that one worker was measured to do.")],
    peak: Annotated[float, typer.Option(help="Records a second that come in at the peak.")],
    drain: Annotated[float, typer.Option(help="Seconds in which what has piled up is to be done.")] = 120.0,
    usual: Annotated[
        float | None, typer.Option(help="Records a second in an ordinary hour.", show_default="a quarter of the peak")
    ] = None,
    partitions: Annotated[
        int | None, typer.Option(min=1, max=10_000, help="What the input topics have, if that is not to change.")
    ] = None,
    max_partitions: Annotated[int, typer.Option(min=1, max=10_000, help="Advise no more than that.")] = 960,
    reaction: Annotated[
        float, typer.Option(min=0, help="Seconds from a burst to new workers that work: look, start, rebalance.")
    ] = 45.0,
    cpus: Annotated[float, typer.Option(help="CPUs that the worker had when it was measured.")] = 2.0,
    memory: Annotated[int, typer.Option(min=64, help="Memory that it took then, in MiB.")] = 1024,
    simulate: Annotated[
        bool, typer.Option("--simulate", help="Show a simulated day of bursts under these and other settings.")
    ] = False,
    format: Annotated[
        AdviceFormat, typer.Option(help="A table; values for the Helm chart (YAML); JSON.")
    ] = AdviceFormat.TABLE,
) -> None:
    """Say how many partitions and workers a stream needs, and at which lag to scale.

    Example: emostream advise --rate 800 --peak 6000 --drain 120 --format helm > scaling.yaml
    """
    from worker.errors import ConfigError
    from worker.sizing.advice import Wish, helm_values
    from worker.sizing.advice import advise as advise_on

    wish = Wish(
        rate=rate,
        peak=peak,
        usual=peak / 4 if usual is None else usual,
        drain_s=drain,
        reaction_s=reaction,
        partitions=partitions,
        max_partitions=max_partitions,
        cpus=cpus,
        memory_mib=memory,
    )
    if simulate and format is not AdviceFormat.TABLE:
        raise ConfigError("--simulate: only with --format table")
    advice = advise_on(wish)
    if format is AdviceFormat.TABLE:
        _show(wish, advice, simulate=simulate)
    elif format is AdviceFormat.HELM:
        import yaml

        for note in advice.notes:
            typer.echo(f"emostream: {note}", err=True)
        typer.echo(yaml.safe_dump(helm_values(advice), sort_keys=False).rstrip())
    else:
        typer.echo(json.dumps(_finite(asdict(advice)), indent=2))


def _finite(fields: dict[str, object]) -> dict[str, object]:
    """JSON has no infinity: what never ends is null."""
    return {name: None if value == float("inf") else value for name, value in fields.items()}


def _show(wish: Wish, advice: Advice, *, simulate: bool) -> None:
    from rich.console import Console
    from rich.table import Table

    from worker.sizing.comparison import duration

    console = Console()
    table = Table("setting", "value", "because")
    gone = "never" if advice.peak_backlog_drain_s == float("inf") else f"in {duration(advice.peak_backlog_drain_s)}"
    workers = f"{advice.max_replicas} worker" + ("s" if advice.max_replicas > 1 else "")
    for setting, value, why in (
        ("partitions", advice.partitions, "of the input topics, together; a partition is read by one worker"),
        ("keda.minReplicas", advice.min_replicas, "an ordinary hour leaves a fifth of their time free"),
        ("keda.maxReplicas", advice.max_replicas, f"what piles up at the peak until {workers} work is gone {gone}"),
        ("keda.lagThreshold", advice.lag_threshold, f"{advice.lag_threshold / wish.rate:.0f} s of one worker's work"),
        ("resources: cpu", f"{advice.cpus:g}", "request and limit: the rate was measured with as many"),
        ("resources: memory", f"{advice.memory_request_mib}Mi", f"request; limit {advice.memory_limit_mib}Mi"),
    ):
        table.add_row(setting, str(value), why)
    console.print(table)
    for note in advice.notes:
        console.print(f"Note: {note}.", highlight=False, markup=False)
    if simulate:
        _show_day(wish, console)


def _show_day(wish: Wish, console: Console) -> None:
    from rich.table import Table

    from worker.sizing.comparison import COLUMNS, compare
    from worker.sizing.simulation import Costs

    comparison = compare(wish, Costs(rate=wish.rate))
    table = Table(*COLUMNS, title="A simulated day of bursts", title_justify="left")
    for row in comparison.rows():
        table.add_row(*row)
    console.print(table)
