"""`emostream bench` with a real model on the CPUs that there are."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.tiny_bert import texts
from worker.cli import app

pytestmark = pytest.mark.torch


def test_every_engine_of_a_checkpoint_is_measured(checkpoint: Path, tmp_path: Path) -> None:
    """torch and OpenVINO, float32 and what else there is; all agree with torch in float32."""
    path = tmp_path / "texts.txt"
    path.write_text("\n".join(texts(64)))

    ran = CliRunner().invoke(
        app, ["bench", "--model", str(checkpoint), "--input", str(path), "--seconds", "0.2", "--json", "-"]
    )

    found = json.loads(ran.stdout)
    engines = {(each["backend"], each["device"], each["precision"]): each for each in found["engines"]}
    assert {("torch", "cpu", "float32"), ("openvino", "cpu", "float32")} <= set(engines)
    assert engines["openvino", "cpu", "float32"]["agreement"]["largest_difference"] < 1e-4
    assert all(each["padding_ratio"] >= 1 and len(each["turns"]) == 3 for each in engines.values())
