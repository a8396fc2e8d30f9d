"""Model folders in every form, built once, and a cache folder of the test's own."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.tiny_bert import cache_home, checkpoint_folder, exported_folder
from worker.inference.loading import NVIDIA_DRIVER


def cuda_is_there() -> bool:
    if not NVIDIA_DRIVER.exists():
        return False
    import torch

    return torch.cuda.is_available()


# A skip would only say on every machine without a GPU that there is none.
collect_ignore = [] if cuda_is_there() else ["test_cuda.py"]


@pytest.fixture
def checkpoint() -> Path:
    """A Hugging Face folder."""
    return checkpoint_folder()


@pytest.fixture
def ir() -> Path:
    """The same as IR, without its Hugging Face weights."""
    return exported_folder("float32")


@pytest.fixture(autouse=True)
def shared_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    """Exported models are kept for the test run, not on the developer's machine."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache_home()))


@pytest.fixture
def cache(tmp_path: Path, shared_cache: None, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of exported models, for this test alone."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "emostream" / "openvino"
