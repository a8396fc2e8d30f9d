from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.unit.inference.folders import model_folder
from worker.errors import ModelError
from worker.inference import sources
from worker.inference.checkpoint import content_hash
from worker.inference.sources import builtin_names, resolve


@pytest.fixture
def builtins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An installation with one builtin model, `builtin:mood`."""
    folder = tmp_path / "builtins"
    model_folder(folder / "mood")
    monkeypatch.setattr(sources, "BUILTIN_FOLDER", folder)
    return folder


def test_a_directory_is_identified_by_its_content(tmp_path: Path) -> None:
    """A directory keeps the name it was given, and its revision is the hash of what is in it."""
    folder = model_folder(tmp_path)

    source = resolve(str(folder))

    assert (str(folder), folder, content_hash(folder)) == (source.name, source.folder, source.revision)


def test_a_builtin_model(builtins: Path) -> None:
    """`builtin:NAME` is a folder of the installation."""
    source = resolve("builtin:mood")

    assert ("builtin:mood", builtins / "mood") == (source.name, source.folder)
    assert ["builtin:mood"] == builtin_names()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("builtin:unheard", "no model builtin:unheard: there are builtin:mood"),
        ("builtin:../mood", "no model builtin:../mood"),
        ("mood", "did you mean builtin:mood"),
        ("./nowhere", "no such directory"),
        ("/nowhere/at/all", "no such directory"),
        ("a b", "no such directory"),
    ],
)
@pytest.mark.usefixtures("builtins")
def test_names_of_no_model(name: str, message: str) -> None:
    """A name that is neither builtin, a directory nor a Hub id is refused before anything is asked of the network."""
    with pytest.raises(ModelError, match=message):
        resolve(name)


@pytest.mark.usefixtures("builtins")
def test_a_revision_is_for_the_hub() -> None:
    """A revision beside a model that has only one is a mistake, not ignored."""
    with pytest.raises(ModelError, match=r"leave model\.revision empty"):
        resolve("builtin:mood", revision="main")


def test_the_hub_without_its_client(monkeypatch: pytest.MonkeyPatch) -> None:
    """A Hub id in a light installation says what to install."""
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)

    with pytest.raises(ModelError, match=r"pip install 'emostream\[torch\]'"):
        resolve("someone/some-model")
