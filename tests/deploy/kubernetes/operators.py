"""The custom resource definitions of KEDA and of the Prometheus operator, from their Go modules."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from tests.real_parts import unmet

MODULES = {
    "github.com/kedacore/keda/v2@v2.21.0": "config/crd/bases/keda.sh_*.yaml",
    "github.com/prometheus-operator/prometheus-operator@v0.85.0": (
        "example/prometheus-operator-crd/monitoring.coreos.com_p*.yaml"
    ),
}
FETCH_TIMEOUT_S = 180


def definition_files() -> list[Path]:
    """Where they are, fetched once into Go's module cache."""
    return [path for module, pattern in MODULES.items() for path in sorted(_folder(module).glob(pattern))]


@cache
def schemas() -> Mapping[tuple[str, str], dict[str, Any]]:
    """A strict JSON Schema for each API version and kind."""
    found = {}
    for path in definition_files():
        spec = yaml.safe_load(path.read_text(encoding="utf-8"))["spec"]
        for version in spec["versions"]:
            name = (f"{spec['group']}/{version['name']}", spec["names"]["kind"])
            found[name] = _strict(version["schema"]["openAPIV3Schema"], top=True)
    return found


def _folder(module: str) -> Path:
    if shutil.which("go") is None:
        unmet("no go to fetch the operators' definitions with")
    command = ["go", "mod", "download", "-json", module]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=FETCH_TIMEOUT_S, cwd="/")
    if done.returncode != 0:
        unmet(f"go cannot fetch {module}: {done.stdout.strip() or done.stderr.strip()}")
    return Path(json.loads(done.stdout)["Dir"])


def _strict(schema: dict[str, Any], *, top: bool = False) -> dict[str, Any]:
    """The API server's strictness in JSON Schema's words: no unknown fields, numbers or strings where both go."""
    if schema.get("x-kubernetes-int-or-string"):
        return {"type": ["integer", "string"]}
    result = dict(schema)
    if schema.get("pattern", "").startswith("^(?i)"):  # Go's way to say so, which Python refuses
        result["pattern"] = "(?i)" + schema["pattern"].replace("(?i)", "")
    if "properties" in schema:
        result["properties"] = {name: _strict(each) for name, each in schema["properties"].items()}
        if not schema.get("x-kubernetes-preserve-unknown-fields"):
            result["additionalProperties"] = False
    elif isinstance(schema.get("additionalProperties"), dict):
        result["additionalProperties"] = _strict(schema["additionalProperties"])
    if "items" in schema:
        result["items"] = _strict(schema["items"])
    if top:
        result["properties"]["metadata"] = {"type": "object"}
    return result
