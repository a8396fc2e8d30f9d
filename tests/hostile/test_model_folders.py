"""Model folders made to run code, to read other files or to confuse: each is refused in one line, and nothing ran."""

from __future__ import annotations

import json
import os
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.hostile.targets import refused_well
from tests.tiny_bert import checkpoint_folder, exported_folder
from worker.decision.domain import load_surprise
from worker.errors import EmostreamError, PolicyError
from worker.inference.loading import load_engine

pytestmark = pytest.mark.torch


class Payload:
    """Makes a directory when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self._mark = mark

    def __reduce__(self) -> tuple[Callable[[str], None], tuple[str]]:
        return os.mkdir, (str(self._mark),)


@pytest.fixture
def mark(tmp_path: Path) -> Path:
    """There once foreign code has run."""
    return tmp_path / "code-ran"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A good model to spoil."""
    return shutil.copytree(checkpoint_folder(), tmp_path / "model")


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def change(path: Path, **values: Any) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


def pickled_beside(folder: Path, mark: Path) -> None:
    (folder / "pytorch_model.bin").write_bytes(pickle.dumps(Payload(mark)))


def pickled_only(folder: Path, mark: Path) -> None:
    pickled_beside(folder, mark)
    (folder / "model.safetensors").unlink()


def pickled_under_another_name(folder: Path, mark: Path) -> None:
    (folder / "model.safetensors").write_bytes(pickle.dumps(Payload(mark)))


def pickled_and_indexed(folder: Path, mark: Path) -> None:
    (folder / "model.safetensors").unlink()
    (folder / "weights.bin").write_bytes(pickle.dumps(Payload(mark)))
    index = {"metadata": {}, "weight_map": {"bert.embeddings.word_embeddings.weight": "weights.bin"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))


def indexed_outside(folder: Path, _mark: Path) -> None:
    shutil.move(folder / "model.safetensors", folder.parent / "elsewhere.safetensors")
    index = {"metadata": {}, "weight_map": {"classifier.weight": "../elsewhere.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))


def code_in_config(folder: Path, mark: Path) -> None:
    (folder / "modeling.py").write_text(f"import os\nos.mkdir({str(mark)!r})\n")
    change(folder / "config.json", auto_map={"AutoModelForSequenceClassification": "modeling.Model"})


def linked_out(name: str) -> Callable[[Path, Path], None]:
    def spoil(folder: Path, _mark: Path) -> None:
        outside = folder.parent / f"outside-{name}"
        if (folder / name).exists():
            shutil.move(folder / name, outside)
        else:
            outside.write_bytes(b"{}")
        (folder / name).symlink_to(outside)

    return spoil


def changed_config(**values: Any) -> Callable[[Path, Path], None]:
    return lambda folder, _mark: change(folder / "config.json", **values)


def without_padding(folder: Path, _mark: Path) -> None:
    change(folder / "tokenizer_config.json", pad_token=None)
    change(folder / "config.json", pad_token_id=None)


def repeated_label(folder: Path, _mark: Path) -> None:
    path = folder / "config.json"
    path.write_text(path.read_text().replace('"id2label": {', '"id2label": {"0": "twice", '))


SPOILED: dict[str, tuple[Callable[[Path, Path], None], str]] = {
    "only pickled weights": (pickled_only, "never loaded"),
    "pickle called safetensors": (pickled_under_another_name, "model"),
    "pickle in an index": (pickled_and_indexed, "model.safetensors.index.json"),
    "an index that leads out": (indexed_outside, "model.safetensors.index.json"),
    "code in the configuration": (code_in_config, "auto_map"),
    "weights linked out": (linked_out("model.safetensors"), "link out of the model folder"),
    "tokenizer linked out": (linked_out("tokenizer.json"), "link out of the model folder"),
    "policy linked out": (linked_out("policy.json"), "link out of the model folder"),
    "surprise linked out": (linked_out("surprise.npz"), "link out of the model folder"),
    "no padding token": (without_padding, "no padding token"),
    "half a character": (
        lambda folder, _: change(folder / "tokenizer_config.json", pad_token="\ud800"),
        "cannot be read",
    ),
    "padding behind the vocabulary": (changed_config(pad_token_id=10**9), "Padding_idx"),
    "a label twice": (repeated_label, "a key is there twice"),
    "labels with one name": (changed_config(id2label={"0": "a", "1": "a", "2": "b"}), "distinct"),
    "labels with a gap": (changed_config(id2label={"0": "a", "2": "b", "3": "c"}), "without gaps"),
    "labels that hurt terminals": (changed_config(id2label={"0": "\x1b[2J", "1": "b", "2": "c"}), "printable"),
    "a kind of model nobody knows": (changed_config(model_type="../../evil"), "model"),
    "negative sizes": (changed_config(hidden_size=-1), "model"),
    "an attention of somebody's": (changed_config(attn_implementation="somebody/kernel"), "model"),
}


@pytest.mark.parametrize("backend", ["torch", "openvino"])
@pytest.mark.parametrize(("spoil", "says"), SPOILED.values(), ids=SPOILED.keys())
def test_a_spoiled_folder_is_one_line(
    spoil: Callable[[Path, Path], None], says: str, backend: str, folder: Path, mark: Path
) -> None:
    """Exit 2 before anything is consumed; nothing of the folder was run."""
    spoil(folder, mark)

    with pytest.raises(EmostreamError) as refusal:
        load_engine(str(folder), backend=backend)

    refused_well(refusal.value)
    assert refusal.value.exit_code == 2
    assert says in str(refusal.value)
    assert not mark.exists()


def test_pickled_weights_beside_safe_ones_are_not_touched(folder: Path, mark: Path) -> None:
    """They are as if they were not there."""
    pickled_beside(folder, mark)

    load_engine(str(folder), backend="torch").close()

    assert not mark.exists()


def test_a_pickle_in_the_table_of_surprise(tmp_path: Path, mark: Path) -> None:
    """numpy's own pickles are refused as well."""
    path = tmp_path / "surprise.npz"
    np.savez(path, surprise=np.array([Payload(mark)], dtype=object), allow_pickle=True)

    with pytest.raises(PolicyError):
        load_surprise(path)

    assert not mark.exists()


def test_a_broken_export_is_one_line(tmp_path: Path) -> None:
    """An IR file that is not what it says."""
    folder = shutil.copytree(exported_folder("float32"), tmp_path / "ir")
    xml = folder / "openvino_model.xml"
    xml.write_text(xml.read_text()[: len(xml.read_text()) // 2])

    with pytest.raises(EmostreamError) as refusal:
        load_engine(str(folder))

    refused_well(refusal.value)
