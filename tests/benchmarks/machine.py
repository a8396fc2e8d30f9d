"""What the figures were taken on: the processor, what else it was doing, and the versions of everything measured."""

from __future__ import annotations

import os
import platform
import subprocess
import time
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path

from tests.benchmarks.environments import ENVIRONMENTS, Environment

FLAGS = ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_bf16", "amx_int8")
OURS = ("torch", "transformers", "tokenizers", "openvino", "kafka-python", "confluent-kafka", "numpy")


def machine() -> dict[str, object]:
    """As it stands before a part begins. Loads are over 1 and 5 minutes."""
    cpuinfo = _cpuinfo(Path("/proc/cpuinfo").read_text())
    flags = cpuinfo.get("flags", "").split()
    one, five, _ = os.getloadavg()
    return {
        "cpu": cpuinfo.get("model name", platform.processor()),
        "flags": [flag for flag in FLAGS if flag in flags],
        "cpus": len(os.sched_getaffinity(0)),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "load_before": [round(one, 2), round(five, 2)],
        "kernel": platform.release().partition("-")[0],
        "python": platform.python_version(),
        "date": time.strftime("%Y-%m-%d %H:%M"),
        "versions": versions(),
    }


def versions() -> dict[str, str]:
    found = {name: metadata.version(name) for name in OURS}
    for environment in ENVIRONMENTS.values():
        if (version := _version(environment)) is not None:
            found[environment.package] = version
    return found


def in_words(described: Mapping[str, object]) -> str:
    """One line for the docs."""
    flags, load = described["flags"], described["load_before"]
    assert isinstance(flags, list)
    assert isinstance(load, list)
    return (
        f"{described['cpu']} ({', '.join(flags)}), {described['cpus']} cores, {described['memory_gib']} GiB, Python "
        f"{described['python']}; load before it began {load[0]}; {described['date']}"
    )


def _cpuinfo(text: str) -> dict[str, str]:
    """Of the first processor."""
    pairs = (line.partition(":") for line in text.partition("\n\n")[0].splitlines())
    return {name.strip(): value.strip() for name, _, value in pairs}


def _version(environment: Environment) -> str | None:
    if not environment.python.exists():
        return None
    code = f"from importlib.metadata import version; print(version('{environment.package}'))"
    asked = subprocess.run([environment.python, "-c", code], capture_output=True, text=True, check=False)
    return asked.stdout.strip() if asked.returncode == 0 else None
