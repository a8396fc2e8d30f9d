"""Who may import whom: the contracts stand in pyproject.toml, import-linter checks them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


def test_imports_keep_the_directions_of_the_house() -> None:
    """Every contract of [tool.importlinter] holds."""
    lint = [sys.executable, "-c", "from importlinter.cli import lint_imports; raise SystemExit(lint_imports())"]

    checked = subprocess.run(lint, cwd=ROOT, capture_output=True, text=True, check=False)

    assert checked.returncode == 0, checked.stdout


@pytest.mark.parametrize("module", ["worker.cli", "worker.pump", "worker.config", "worker.pipeline", "worker.testing"])
def test_the_core_is_light(module: str) -> None:
    """Neither a model library nor a Kafka client is loaded before it is needed."""
    heavy = ["torch", "transformers", "openvino", "kafka", "confluent_kafka", "sklearn", "matplotlib", "pyarrow"]
    code = f"import sys, {module}; print([name for name in {heavy} if name in sys.modules])"

    loaded = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)

    assert loaded.stdout.strip() == "[]"
