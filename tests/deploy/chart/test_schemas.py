"""Every object that the examples render to is one that Kubernetes knows."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.deploy.rendering import VALUES, render
from tests.real_parts import unmet

OLDEST, NEWEST = "1.27", "1.36"
OPERATORS = {"PodMonitor", "PrometheusRule", "ScaledObject", "TriggerAuthentication"}
"""Kinds whose schemas come with their operators: `make test-k8s` has them."""


@pytest.mark.parametrize("version", [OLDEST, NEWEST])
@pytest.mark.parametrize("file", VALUES, ids=lambda path: path.stem)
def test_every_object_fits_kubernetes_own_schema(file: Path, version: str) -> None:
    """Strictly: an unknown field is an error, in the oldest version that the chart takes and in a new one."""
    try:
        import kubernetes_validate
    except ImportError:
        unmet("no kubernetes-validate: pip install kubernetes-validate")

    for each in render(file=file):
        if each["kind"] not in OPERATORS:
            kubernetes_validate.validate(each, version, strict=True)
