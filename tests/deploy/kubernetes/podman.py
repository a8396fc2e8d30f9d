"""Podman runs Kubernetes objects without a cluster: what Helm rendered becomes containers on this machine."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.deploy.docker.engine import Engine
from tests.deploy.kubernetes.cluster import INSTALL
from tests.real_parts import unmet

# equal limits for soft and hard, cgroupfs, runc: what a machine without systemd and CAP_SYS_RESOURCE needs
CONTAINERS_CONF = """
[containers]
default_ulimits = ["nofile=8192:8192", "nproc=8192:8192"]
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
"""
STORAGE_CONF = """
[storage]
driver = "overlay"
runroot = "{folder}/run"
graphroot = "{folder}/graph"
"""
START_TIMEOUT_S = 60


@dataclass(frozen=True)
class Podman:
    """With images and containers of its own."""

    folder: Path

    def __call__(self, *arguments: str, stdin: str | None = None, timeout_s: float = 300) -> str:
        """`podman …`; what it printed. Raises AssertionError with what it said on failure."""
        configured = {
            "CONTAINERS_CONF": str(self.folder / "containers.conf"),
            "CONTAINERS_STORAGE_CONF": str(self.folder / "storage.conf"),
        }
        done = subprocess.run(
            ["podman", *arguments],
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
            timeout=timeout_s,
            env={**os.environ, **configured},
        )
        assert done.returncode == 0, f"podman {' '.join(arguments)}: exit {done.returncode}\n{done.stdout}{done.stderr}"
        return done.stdout

    def take(self, engine: Engine, image: str) -> str:
        """Bring an image over from Docker; its name here."""
        archive = self.folder / "image.tar"
        engine.docker("image", "save", "--output", str(archive), image, timeout_s=300)
        self("load", "--quiet", "--input", str(archive))
        archive.unlink()
        (identity,) = set(self("images", "--quiet").split())
        self("tag", identity, f"localhost/{image}")
        return f"localhost/{image}"

    @contextmanager
    def playing(self, objects: Sequence[Mapping[str, Any]]) -> Iterator[str]:
        """Run a Deployment and what it mounts; the id of its worker's container. Stopped and removed at the end."""
        path = self.folder / "objects.yaml"
        path.write_text(yaml.safe_dump_all(objects))
        try:
            self("kube", "play", str(path))
            yield self._worker()
        finally:
            self("pod", "rm", "--all", "--force")

    def _worker(self) -> str:
        deadline = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < deadline:
            for line in self("ps", "--format", "{{.ID}} {{.Names}}").splitlines():
                identity, name = line.split()
                if name.endswith("-worker"):
                    return identity
            time.sleep(0.2)
        raise AssertionError("the worker's container does not run:\n" + self("ps", "--all"))


@contextmanager
def podman() -> Iterator[Podman]:
    """Gone with its images at the end."""
    if shutil.which("podman") is None or os.geteuid() != 0:
        unmet(f"no podman: {INSTALL}")
    folder = Path(tempfile.mkdtemp(prefix="podman-"))
    (folder / "containers.conf").write_text(CONTAINERS_CONF)
    (folder / "storage.conf").write_text(STORAGE_CONF.format(folder=folder))
    made = Podman(folder)
    try:
        yield made
    finally:
        made("system", "reset", "--force")
        shutil.rmtree(folder, ignore_errors=True)
