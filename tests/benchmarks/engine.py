"""Part `engine`: texts a second without Kafka, over real texts, contenders taking turns; padding, share of the peak."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

from rich.console import Console

from tests.benchmarks.environments import ENVIRONMENTS, ROOT
from tests.benchmarks.figures import markdown, number, ratio, spread
from tests.benchmarks.peak import HOW, flop_per_text
from tests.benchmarks.plan import Plan, Subject, config_of, subject
from tests.benchmarks.processes import Contender, ContenderFailed, attempt, named
from tests.benchmarks.texts import distinct
from worker.inference.openvino_backend import choose_precision

PROGRAMS = Path(__file__).with_name("contenders")
ANCHOR = "pipeline(batch_size=32)"
OURS = "emostream"
SECONDS_FOR_A_ROUND = 3.0
COLUMNS = (
    "engine",
    "texts/s, median (min-max)",
    "ratio",
    "share of GEMM peak",
    "padding",
    "CPU s per 100 000",
    "peak MiB",
)


@dataclass(frozen=True)
class Runner:
    """`speed`: about how many times the anchor's texts a second, so that a round takes some seconds for everybody."""

    name: str
    command: tuple[str, ...]
    precision: str
    speed: float


def run(plan: Plan, console: Console) -> dict[str, Any]:
    peak = peak_now()
    console.print(f"GEMM peak, GFLOP/s: {peak}")
    models = {
        name: compared(subject(name), plan, console) for name in plan.taken_from(("tiny", "emotion", "distilbert"))
    }
    return {"peak_gflops": peak, "peak_how": HOW, "models": models}


def peak_now() -> dict[str, float]:
    """In a process of its own, so that no library's threads stay."""
    asked = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks.peak"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return dict(json.loads(asked.stdout.splitlines()[-1]))


def runners(chosen: Subject, missing: Mapping[str, str]) -> list[Runner]:
    def program(name: str, *arguments: str, environment: str | None = None) -> tuple[str, ...]:
        python = sys.executable if environment is None else str(ENVIRONMENTS[environment].python)
        return (python, str(PROGRAMS / f"{name}.py"), *arguments)

    checkpoint = str(chosen.checkpoint)
    found = [
        Runner("pipeline, one by one", program("engine_pipeline", checkpoint, "1"), "float32", 0.3),
        Runner(ANCHOR, program("engine_pipeline", checkpoint, "32"), "float32", 1.0),
    ]
    if "beam" not in missing:
        command = program("engine_beam", checkpoint, environment="beam")
        found.append(Runner("Beam RunInference 32", command, "float32", 0.8))
    if "infinity" not in missing:
        command = program("engine_infinity", checkpoint, environment="infinity")
        found.append(Runner("infinity 32", command, "float32", 1.3))
    return found + ours(chosen)


def ours(chosen: Subject) -> list[Runner]:
    """Every backend and precision that this machine and the folders allow."""
    found = []
    automatic = choose_precision("auto", Path("model.xml"), quantized=False)
    for backend, precision, speed in (
        ("torch", "float32", 2.0),
        ("torch", "bfloat16", 2.5),
        ("openvino", "float32", 2.5),
        ("openvino", "bfloat16", 5.0),
    ):
        if precision == "float32" or automatic == "bfloat16":
            # OpenVINO gets what users name; torch needs the same in Hugging Face form
            model = chosen.model if backend == "openvino" else str(chosen.checkpoint)
            found.append(_our_runner(model, backend, precision, speed))
    if chosen.int8 is not None:
        found.append(_our_runner(str(chosen.int8), "openvino", "int8", 8.0))
    return found


def _our_runner(model: str, backend: str, precision: str, speed: float) -> Runner:
    command = (sys.executable, "-m", "tests.benchmarks.contenders.engine_emostream", model, backend, precision)
    return Runner(f"{OURS}, {backend} {precision}", command, precision, speed)


def compared(chosen: Subject, plan: Plan, console: Console) -> dict[str, Any]:
    """All runners of a model start, then take turns over the same texts (a slower one over fewer of them)."""
    most = plan.count(int(chosen.size * SECONDS_FOR_A_ROUND * 8))
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        texts = Path(folder) / "texts.json"
        texts.write_text(json.dumps(distinct(most)))
        started: list[tuple[Runner, Contender]] = []
        for index, runner in enumerate(runners(chosen, plan.missing)):
            contender = stack.enter_context(Contender(runner.command, log=Path(folder) / f"{index}.log", answers=True))
            each = found[runner.name] = {"precision": runner.precision, "rounds": [], "failures": []}
            try:
                contender.turn()
                started.append((runner, contender))
            except ContenderFailed as failed:
                each["failures"].append(str(failed))
                console.print(f"{chosen.name}: {runner.name}: {failed}")
        for _ in range(plan.rounds):
            for runner, contender in started:
                wanted = {
                    "texts": str(texts),
                    "count": plan.count(min(most, int(chosen.size * SECONDS_FOR_A_ROUND * runner.speed))),
                }
                told = attempt(found[runner.name], partial(contender.turn, **wanted))
                console.print(f"{chosen.name}: {runner.name}: {told}")
        for runner, contender in started:
            found[runner.name]["peak_mib"] = round(contender.end().peak_mib)
    lengths = _lengths(found)
    return {
        "about": chosen.about,
        "mean_tokens": round(sum(lengths) / max(1, len(lengths)), 1),
        "mflop_per_text": _mflop(lengths, chosen),
        "mflop_narrowed": _mflop(lengths, chosen, last_layer_narrowed=True),
        "runners": found,
    }


def _mflop(lengths: Sequence[int], chosen: Subject, *, last_layer_narrowed: bool = False) -> float:
    """Of one text on average; 0 when no engine of ours has told the lengths."""
    if not lengths:
        return 0.0
    flop = flop_per_text(lengths, config_of(chosen), last_layer_narrowed=last_layer_narrowed)
    return round(flop / 1e6, 2)


def _lengths(found: Mapping[str, Any]) -> list[int]:
    """Real tokens of the texts, as our engine counted them; kept once and not with every round."""
    lengths: list[int] = []
    for runner in found.values():
        for each in runner["rounds"]:
            counted = each.pop("lengths", [])
            lengths = max(lengths, counted, key=len)
    return lengths


def rates(runner: Mapping[str, Any]) -> list[float]:
    return [each["texts"] / each["seconds"] for each in runner["rounds"]]


def cpu_per_100_000(runner: Mapping[str, Any], name: str = "cpu_s") -> float:
    return median(each[name] / each["texts"] for each in runner["rounds"]) * 100_000


def tables(measured: Mapping[str, Any]) -> dict[str, str]:
    """`engine`: a table for each model."""
    peak = measured["peak_gflops"]
    said = ", ".join(f"{name} {value:.0f}" for name, value in peak.items())
    parts = [f"GEMM peak of this machine, GFLOP/s: {said} ({measured['peak_how']}).\n"]
    for model in measured["models"].values():
        of_a_text = (
            f"{model['mean_tokens']} tokens and {model['mflop_per_text']:.1f} MFLOP a text on average, "
            f"{model['mflop_narrowed']:.1f} where the last layer is computed for one token"
        )
        parts += [f"**{model['about']}**; {of_a_text}:\n", markdown(COLUMNS, _rows(model, peak))]
    return {"engine": "\n".join(parts)}


def _rows(model: Mapping[str, Any], peak: Mapping[str, float]) -> list[Sequence[str]]:
    rows: list[Sequence[str]] = []
    base = rates(model["runners"][ANCHOR])
    for name, runner in model["runners"].items():
        if not runner["rounds"]:
            rows.append((named(name, runner), "not measured", *[""] * (len(COLUMNS) - 2)))
            continue
        each, last = rates(runner), runner["rounds"][-1]
        narrowed = name.startswith(f"{OURS}, openvino")
        done = median(each) * model["mflop_narrowed" if narrowed else "mflop_per_text"] / 1e3
        cells = (
            spread(each),
            number(ratio(each, base)) if base else "",
            f"{done / peak[runner['precision']]:.0%}" if done else "",
            f"{last['padded_tokens'] / last['real_tokens']:.3f}" if "padded_tokens" in last else "",
            number(cpu_per_100_000(runner)),
            str(runner["peak_mib"]),
        )
        rows.append((named(name, runner), *cells))
    return rows
