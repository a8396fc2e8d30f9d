"""Part `memory`: the peak of resident memory of everything that ran in parts `engine`, `end-to-end` and `latency`.

Measures nothing itself: the kernel counted while they did their work.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tests.benchmarks.figures import markdown


def collected(everything: Mapping[str, Any]) -> dict[str, Any]:
    """Peak MiB by kind of work, model and contender; the most of all rounds."""
    found: dict[str, dict[str, dict[str, int]]] = {"Kafka to Kafka": {}, "engine alone": {}}
    for model in everything.get("end-to-end", {}).get("models", {}).values():
        for name, entrant in model["entrants"].items():
            peaks = [each["peak_mib"] for each in entrant["rounds"]]
            if peaks:
                found["Kafka to Kafka"].setdefault(name, {})[model["about"]] = round(max(peaks))
    for model in everything.get("engine", {}).get("models", {}).values():
        for name, runner in model["runners"].items():
            if runner["rounds"]:
                found["engine alone"].setdefault(name, {})[model["about"]] = runner["peak_mib"]
    loads = {case["load"]: case["peak_mib"] for case in everything.get("latency", {}).get("cases", []) if _ours(case)}
    return {"peaks_mib": found, "emostream_at_load_mib": loads}


def _ours(case: Mapping[str, Any]) -> bool:
    return bool(case["contender"] == "emostream run" and "peak_mib" in case)


def tables(measured: Mapping[str, Any]) -> dict[str, str]:
    """`memory`."""
    parts = []
    for kind, contenders in measured["peaks_mib"].items():
        models = list(dict.fromkeys(model for peaks in contenders.values() for model in peaks))
        rows = [(name, *(str(peaks.get(model, "")) for model in models)) for name, peaks in contenders.items()]
        if rows:
            parts.append(markdown((f"peak resident memory, MiB, {kind}", *models), rows))
    loads = measured["emostream_at_load_mib"]
    if loads:
        parts.append(
            markdown(("emostream run, tiny, at", "peak MiB"), [(load, str(mib)) for load, mib in loads.items()])
        )
    return {"memory": "\n".join(parts)}
