"""Part `end-to-end`: Kafka to Kafka on the jvm broker; everybody runs the same checkpoint and takes turns.

A rate is that of the outcomes between the first and the last one's timestamps, so that start-up does not count. CPU
seconds are the whole process's; a run over empty topics tells how much of that is start-up.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

from rich.console import Console

from tests.benchmarks.engine import ours as our_engines
from tests.benchmarks.engine import rates as engine_rates
from tests.benchmarks.figures import markdown, number, ratio, spread
from tests.benchmarks.kafka_round import AT_LEAST_ONCE, EXACTLY_ONCE, Entrant
from tests.benchmarks.plan import Plan, Subject, subject
from tests.benchmarks.processes import Contender, attempt, named
from tests.benchmarks.texts import distinct, repeating
from worker.devbroker.jvm import JvmBroker

ANCHOR = "poll 32, pipeline(batch_size=32), send, flush, commit"
OURS = "emostream run"
OUR_OWN = f"{OURS}, kafka-python"
SECONDS = {"tiny": 16.7, "emotion": 15.0, "distilbert": 16.0}
"""About how long the anchor takes for its messages: 20 000, 3 000, 640."""
OUR_LEAST = {"tiny": 20_000, "emotion": 12_000, "distilbert": 2_560}
REPEATED = 0.3
REPEATED_OF = {"tiny": 20_000, "emotion": 8_000}
COLUMNS = (
    "Kafka to Kafka",
    "delivery",
    "messages",
    "messages/s, median (min-max)",
    "ratio",
    "emostream is times as fast",
    "CPU s per 100 000",
    "without start-up",
    "peak MiB",
)


def entrants(chosen: Subject, missing: Mapping[str, str]) -> list[Entrant]:
    """The anchor first. Slow ones and, with small models, those of a few seconds start-up alone do fewer messages."""
    others = [
        Entrant(ANCHOR, AT_LEAST_ONCE, 1.0, None, "loop.py", ("32",)),
        Entrant("poll 1, pipeline, send, flush, commit", AT_LEAST_ONCE, 0.25, None, "loop.py", ("1",)),
        Entrant("FastStream, confluent, batches of 32", AT_LEAST_ONCE, 1.0, "faststream", "with_faststream.py"),
        Entrant("Quix Streams", AT_LEAST_ONCE, 0.35, "quix", "with_quix.py"),
        Entrant("Arroyo, BatchStep(32)", AT_LEAST_ONCE, 1.0, "arroyo", "with_arroyo.py"),
    ]
    if chosen.name != "tiny":
        others = others[:1] if chosen.name == "emotion" else [each for each in others if each.environment != "quix"]
    found = [each for each in others if each.environment not in missing]
    found += [Entrant(OUR_OWN, EXACTLY_ONCE, 1.0, None, None)]
    if chosen.name == "tiny" and confluent_is_there():
        settings = {"kafka": {"client": "confluent-kafka"}}
        found.append(Entrant(f"{OURS}, confluent-kafka", EXACTLY_ONCE, 1.0, None, None, settings=settings))
    if chosen.int8 is not None:
        settings = {"model": {"name": str(chosen.int8), "precision": "int8"}}
        found.append(Entrant(f"{OURS}, kafka-python, int8", EXACTLY_ONCE, 1.0, None, None, settings=settings))
    return found


def confluent_is_there() -> bool:
    """Whether this version of the worker takes confluent-kafka as its client."""
    from worker.config import load
    from worker.errors import ConfigError

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "worker.yaml"
        path.write_text("kafka: {client: confluent-kafka}\n")
        try:
            load(path)
        except ConfigError:
            return False
    return True


def run(plan: Plan, console: Console) -> dict[str, Any]:
    with JvmBroker.start() as broker:
        models = {name: compared(subject(name), plan, broker, console) for name in plan.subjects}
        return {"models": models, "repeated": repeated(plan, broker, console)}


def compared(chosen: Subject, plan: Plan, broker: JvmBroker, console: Console) -> dict[str, Any]:
    """Rounds of all entrants and of our engine by itself, in turns; and what start-up costs each."""
    everyone = entrants(chosen, plan.missing)
    found: dict[str, Any] = {each.name: {"delivery": each.delivery, "rounds": []} for each in everyone}
    alone: dict[str, Any] = {"rounds": []}
    texts = distinct(plan.count(max(OUR_LEAST[chosen.name], _anchors(chosen))))
    engine_alone(chosen, texts[:64])  # a checkpoint is exported once, before anything counts
    for _ in range(plan.rounds):
        for entrant in everyone:
            usual = OUR_LEAST[chosen.name] if entrant.is_ours else int(entrant.share * _anchors(chosen))
            sent = texts[: plan.count(usual)]
            told = attempt(
                found[entrant.name], lambda entrant=entrant, sent=sent: _round(entrant, broker, chosen, sent)
            )
            console.print(f"{chosen.name}: {entrant.name}: {told}")
        console.print(f"{chosen.name}: engine alone: {attempt(alone, partial(engine_alone, chosen, texts))}")
    for entrant in everyone:
        idle: dict[str, Any] = {"rounds": []}
        attempt(idle, partial(_startup, entrant, broker, chosen))
        found[entrant.name]["startup_cpu_s"] = idle["rounds"][0]["cpu_s"] if idle["rounds"] else None
        console.print(f"{chosen.name}: {entrant.name}: start-up {found[entrant.name]['startup_cpu_s']} CPU s")
    left_out = {name: reason for name, reason in plan.missing.items() if name in ("faststream", "quix", "arroyo")}
    return {"about": chosen.about, "entrants": found, "engine_alone": alone, "left_out": left_out}


def _round(entrant: Entrant, broker: JvmBroker, chosen: Subject, texts: Sequence[str]) -> dict[str, Any]:
    return entrant.round(broker, chosen, texts).as_json()


def _startup(entrant: Entrant, broker: JvmBroker, chosen: Subject) -> dict[str, Any]:
    return {"cpu_s": entrant.startup_cpu_s(broker, chosen)}


def _anchors(chosen: Subject) -> int:
    return int(round(SECONDS[chosen.name] * chosen.size, -1))


def engine_alone(chosen: Subject, texts: Sequence[str]) -> dict[str, Any]:
    """The engine that `emostream run` takes by default, over the same texts without Kafka."""
    runner = our_engines(chosen)[-1 if chosen.int8 is None else -2]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "texts.json"
        path.write_text(json.dumps(list(texts)))
        with Contender(runner.command, log=Path(folder) / "log", answers=True) as contender:
            contender.turn()
            done = contender.turn(texts=str(path), count=len(texts))
    return {name: value for name, value in done.items() if name != "lengths"}


def repeated(plan: Plan, broker: JvmBroker, console: Console) -> dict[str, Any]:
    """emostream over different texts, and over a stream of which some repeat what came before; all defaults."""
    found: dict[str, Any] = {}
    for name in [name for name in plan.subjects if name != "distilbert"]:
        chosen = subject(name)
        texts = distinct(plan.count(REPEATED_OF[name]))
        streams = {"different": texts, "repeated": repeating(texts, REPEATED)}
        entrant = Entrant(OURS, EXACTLY_ONCE, 1.0, None, None)
        each: dict[str, Any] = {kind: {"rounds": []} for kind in streams}
        for _ in range(plan.rounds):
            for kind, stream in streams.items():
                told = attempt(each[kind], partial(_round, entrant, broker, chosen, stream))
                console.print(f"{name}: {kind}: {told}")
        found[name] = {"about": chosen.about, "share": REPEATED, **each}
    return found


def rates(found: Mapping[str, Any]) -> list[float]:
    return [each["per_s"] for each in found["rounds"]]


def cpu_per_100_000(found: Mapping[str, Any], *, less: float = 0.0, name: str = "cpu_s") -> float:
    return median((each[name] - less) / each["messages"] for each in found["rounds"]) * 100_000


def tables(measured: Mapping[str, Any]) -> dict[str, str]:
    """`end-to-end`, `engine-share` and `repeated`."""
    parts, shares = [], []
    for model in measured["models"].values():
        parts += [f"**{model['about']}**:\n", markdown(COLUMNS, _rows(model))]
        parts += [f"Left out: {reason}.\n" for reason in model["left_out"].values()]
        shares += _shares(model)
    repeats = [
        (each["about"], spread(rates(each["different"])), spread(rates(each["repeated"])), _times(each))
        for each in measured["repeated"].values()
        if rates(each["different"]) and rates(each["repeated"])
    ]
    return {
        "end-to-end": "\n".join(parts),
        "engine-share": markdown(("model", "end to end, messages/s", "engine alone, texts/s", "share"), shares),
        "repeated": markdown(("model", "different texts, messages/s", "30 % repeated", "ratio"), repeats),
    }


def _times(each: Mapping[str, Any]) -> str:
    return number(ratio(rates(each["repeated"]), rates(each["different"])))


def _rows(model: Mapping[str, Any]) -> list[Sequence[str]]:
    entered = model["entrants"]
    base, best = rates(entered[ANCHOR]), rates(entered[OUR_OWN])
    rows: list[Sequence[str]] = []
    for name, found in entered.items():
        if not found["rounds"]:
            rows.append((named(name, found), found["delivery"], "not measured", *[""] * (len(COLUMNS) - 3)))
            continue
        each, startup_s = rates(found), found["startup_cpu_s"]
        cells = (
            found["delivery"],
            number(found["rounds"][0]["messages"]),
            spread(each),
            number(ratio(each, base)) if base else "",
            number(ratio(best, each)) if best else "",
            number(cpu_per_100_000(found)),
            "" if startup_s is None else number(cpu_per_100_000(found, less=startup_s)),
            f"{max(done['peak_mib'] for done in found['rounds']):.0f}",
        )
        rows.append((named(name, found), *cells))
    return rows


def _shares(model: Mapping[str, Any]) -> list[Sequence[str]]:
    through, alone = rates(model["entrants"][OUR_OWN]), engine_rates(model["engine_alone"])
    if not through or not alone:
        return []
    return [(model["about"], spread(through), spread(alone), f"{median(through) / median(alone):.1%}")]
