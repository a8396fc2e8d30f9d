"""How many CPUs this process may use, and how to divide them: many workers of one thread, or one of many.

Reads the scheduler's affinity and the cgroup's CPU quota (v1 and v2): a pod limited to two CPUs on a host of sixty-four
must not start sixty-four threads.
"""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from pathlib import Path

# Weights in matrix products. Up to here one thread for each worker is at least as fast (MiniLM-L6, 10.6 M: equal within
# noise; 2 layers of 128: 1.27x), and needs no barrier between threads that a busy neighbour could stretch.
SMALL_MODEL_WEIGHTS = 20_000_000


@dataclass(frozen=True, slots=True)
class WorkerPlan:
    """`workers` threads that run forward passes at once, each with `threads` compute threads."""

    workers: int
    threads: int

    @property
    def total_threads(self) -> int:
        return self.workers * self.threads


def plan_workers(*, weights: int, cpus: int, workers: int | None = None) -> WorkerPlan:
    """Divide `cpus` for a model of `weights` weights in matrix products; `workers` fixes the number of workers."""
    if workers is None:
        workers = cpus if weights <= SMALL_MODEL_WEIGHTS else 1
    return WorkerPlan(workers, max(1, cpus // workers))


def usable_cpus(root: Path = Path("/")) -> int:
    """CPUs of the affinity mask, or fewer where a cgroup quota (rounded up) allows fewer; at least one."""
    cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = min(_quotas(root), default=math.inf)
    return max(1, cpus if math.isinf(quota) else min(cpus, math.ceil(quota)))


def _quotas(root: Path) -> list[float]:
    """Every CPU quota, in CPUs, that stands above this process: in its own cgroup and in all of its parents."""
    memberships = _read(root / "proc/self/cgroup") or ""
    quotas: list[float | None] = []
    for line in memberships.splitlines():
        _, controllers, path = line.split(":", 2)
        if not controllers:
            quotas += [_quota_v2(folder) for folder in _upwards(root / "sys/fs/cgroup", path)]
        elif "cpu" in controllers.split(","):
            for mount in ("sys/fs/cgroup/cpu", "sys/fs/cgroup/cpu,cpuacct"):
                quotas += [_quota_v1(folder) for folder in _upwards(root / mount, path)]
    return [quota for quota in quotas if quota is not None]


def _upwards(mount: Path, path: str) -> list[Path]:
    own = mount / path.lstrip("/")
    return [own, *(parent for parent in own.parents if parent == mount or mount in parent.parents)]


def _quota_v2(folder: Path) -> float | None:
    words = (_read(folder / "cpu.max") or "").split()
    return None if len(words) != 2 or words[0] == "max" else int(words[0]) / int(words[1])


def _quota_v1(folder: Path) -> float | None:
    quota, period = _read(folder / "cpu.cfs_quota_us"), _read(folder / "cpu.cfs_period_us")
    return None if quota is None or period is None or int(quota) <= 0 else int(quota) / int(period)


def _read(path: Path) -> str | None:
    try:
        return path.read_text()
    except OSError:
        return None
