"""What the cost model makes of the measured figures: the tables `costs` and `cost` of the docs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tests.benchmarks import end_to_end, engine
from tests.benchmarks.cost_model import Costs, needs
from tests.benchmarks.figures import markdown, number

RATES = (1_000, 10_000, 100_000, 1_000_000)
DEFAULT_ENGINE = (f"{engine.OURS}, openvino bfloat16", f"{engine.OURS}, openvino float32")


def tables(everything: Mapping[str, Any]) -> dict[str, str]:
    """Nothing where parts `engine` and `end-to-end` have not been run."""
    known = {model["about"]: costs for model, costs in _known(everything)}
    if not known:
        return {}
    return {"costs": _costs(known), "cost": "\n".join(_needs(about, costs) for about, costs in known.items())}


def _known(everything: Mapping[str, Any]) -> list[tuple[Mapping[str, Any], Costs]]:
    through = everything.get("end-to-end", {}).get("models", {})
    alone = everything.get("engine", {}).get("models", {})
    entered = [model["entrants"][end_to_end.OUR_OWN] for model in through.values()]
    longest = max(
        (each for each in entered if each["rounds"]), key=lambda each: each["rounds"][0]["messages"], default=None
    )
    found = []
    for name in [name for name in through if name in alone]:
        ours = through[name]["entrants"][end_to_end.OUR_OWN]
        runner = next((alone[name]["runners"][each] for each in DEFAULT_ENGINE if each in alone[name]["runners"]), None)
        if ours["rounds"] and runner is not None and runner["rounds"]:
            found.append((alone[name], _cost_of(ours, longest, runner, alone[name]["mflop_per_text"])))
    return found


def _cost_of(ours: Mapping[str, Any], longest: Mapping[str, Any], runner: Mapping[str, Any], mflop: float) -> Costs:
    """The model's part is the engine's CPU time without tokenizing, which stays on the CPU whatever computes. The
    broker's is that of the run with the most messages: what it does by itself weighs least there."""
    worker_s = end_to_end.cpu_per_100_000(ours, less=ours["startup_cpu_s"] or 0.0)
    model_s = engine.cpu_per_100_000(runner) - engine.cpu_per_100_000(runner, "encode_cpu_s")
    return Costs(
        worker_cpu_s=worker_s / 1e5,
        broker_cpu_s=end_to_end.cpu_per_100_000(longest, name="broker_cpu_s") / 1e5,
        model_cpu_s=min(model_s, 0.99 * worker_s) / 1e5,
        model_flop=mflop * 1e6,
    )


def _costs(known: Mapping[str, Costs]) -> str:
    rows = [
        (
            about,
            number(costs.worker_cpu_s * 1e5),
            number(costs.model_cpu_s * 1e5),
            number((costs.worker_cpu_s - costs.model_cpu_s) * 1e5),
            number(costs.broker_cpu_s * 1e5),
        )
        for about, costs in known.items()
    ]
    columns = ("CPU seconds per 100 000 messages", "worker", "of it the model", "of it the rest", "broker, one replica")
    return markdown(columns, rows)


def _needs(about: str, costs: Costs) -> str:
    rows = [
        (
            number(each.rate),
            str(each.brokers),
            str(each.partitions),
            str(each.workers),
            str(each.gpus),
            str(each.gpu_host_cores),
        )
        for each in needs(RATES, costs)
    ]
    columns = ("messages/s", "brokers", "partitions", "workers of 2 cores", "or GPUs", "and cores beside them")
    return f"**{about}**:\n\n" + markdown(columns, rows)
