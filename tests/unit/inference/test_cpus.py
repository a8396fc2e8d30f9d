from __future__ import annotations

import os
from pathlib import Path

import pytest

from worker.inference.cpus import plan_workers, usable_cpus


@pytest.fixture(autouse=True)
def eight_cpus(monkeypatch: pytest.MonkeyPatch) -> None:
    """The scheduler lets the process use eight CPUs."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)))


def write(root: Path, files: dict[str, str]) -> Path:
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return root


def test_affinity_without_a_quota(tmp_path: Path) -> None:
    """Without any cgroup file the affinity mask counts."""
    assert usable_cpus(tmp_path) == 8


@pytest.mark.parametrize(
    ("content", "cpus"), [("max 100000", 8), ("200000 100000", 2), ("150000 100000", 2), ("1000 100000", 1), ("", 8)]
)
def test_quota_of_cgroup_v2(tmp_path: Path, content: str, cpus: int) -> None:
    """A pod's limit under cgroup v2 is kept, rounded up to whole CPUs; `max` is none."""
    root = write(tmp_path, {"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": content})

    assert usable_cpus(root) == cpus


def test_quota_of_a_parent(tmp_path: Path) -> None:
    """The tightest limit on the way to the root of the hierarchy counts."""
    root = write(
        tmp_path,
        {
            "proc/self/cgroup": "0::/slice/pod\n",
            "sys/fs/cgroup/slice/pod/cpu.max": "400000 100000",
            "sys/fs/cgroup/slice/cpu.max": "300000 100000",
        },
    )

    assert usable_cpus(root) == 3


@pytest.mark.parametrize(("quota", "cpus"), [("-1", 8), ("250000", 3)])
def test_quota_of_cgroup_v1(tmp_path: Path, quota: str, cpus: int) -> None:
    """A limit under cgroup v1 is kept; -1 is none."""
    root = write(
        tmp_path,
        {
            "proc/self/cgroup": "3:cpu,cpuacct:/docker/abc\n2:memory:/docker/abc\n",
            "sys/fs/cgroup/cpu/cpu.cfs_quota_us": quota,
            "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000",
        },
    )

    assert usable_cpus(root) == cpus


def test_never_more_than_the_affinity(tmp_path: Path) -> None:
    """A quota above the affinity mask gives no more CPUs than the mask."""
    root = write(tmp_path, {"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "6400000 100000"})

    assert usable_cpus(root) == 8


@pytest.mark.parametrize(
    ("weights", "workers", "plan"),
    [
        (1_000_000, None, (8, 1)),
        (100_000_000, None, (1, 8)),
        (1_000_000, 2, (2, 4)),
        (100_000_000, 3, (3, 2)),
        (1_000_000, 16, (16, 1)),
    ],
)
def test_workers_by_size(weights: int, workers: int | None, plan: tuple[int, int]) -> None:
    """Small models get many workers of one thread, large ones one of many; a fixed number divides the CPUs."""
    made = plan_workers(weights=weights, cpus=8, workers=workers)

    assert plan == (made.workers, made.threads)
