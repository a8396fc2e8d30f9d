"""The machine in a few words, so that a profile says where it was made."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass
from pathlib import Path
from typing import Final

CPU_INFO: Final = Path("/proc/cpuinfo")


@dataclass(frozen=True, slots=True)
class Machine:
    """`cpus`: those that this process may use. `load`: processes that wanted a CPU over the last minute; None where the
    system does not say. `gpu`: the one that was measured, if one was."""

    processor: str
    cpus: int
    load: float | None
    gpu: str | None = None

    @property
    def words(self) -> str:
        """What it is, on one line."""
        return ", ".join([self.processor, f"{self.cpus} CPUs", *([self.gpu] if self.gpu else [])])

    @property
    def busy(self) -> bool:
        """Whether others were at work when the measuring began."""
        return self.load is not None and self.load > self.cpus / 2


def this_machine(*, cpus: int, cpu_info: Path = CPU_INFO) -> Machine:
    """Look at it now, before the measuring makes it busy."""
    try:
        load: float | None = os.getloadavg()[0]
    except (AttributeError, OSError):
        load = None
    return Machine(_processor(cpu_info) or platform.processor() or platform.machine(), cpus, load)


def _processor(cpu_info: Path) -> str | None:
    try:
        lines = cpu_info.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return None
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, None)
