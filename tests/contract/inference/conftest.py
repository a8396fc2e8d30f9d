"""One tiny model in every form that a backend runs, built once for the session."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.tiny_bert import save_tiny_bert


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Hugging Face folder."""
    return save_tiny_bert(tmp_path_factory.mktemp("checkpoint"))


@pytest.fixture(scope="session")
def ir(checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same, exported with float32 weights."""
    from worker.inference.export import export_openvino

    folder = tmp_path_factory.mktemp("ir")
    export_openvino(checkpoint, folder, weights="float32")
    return folder


@pytest.fixture(scope="session")
def int8_ir(checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same, its weights stored in 8 bits."""
    from worker.inference.export import export_openvino

    folder = tmp_path_factory.mktemp("int8")
    export_openvino(checkpoint, folder, weights="int8")
    return folder
