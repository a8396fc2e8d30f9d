from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.unit.inference.folders import TOKENIZER_CONFIG, model_folder, write_json
from worker.errors import ModelError
from worker.inference.checkpoint import content_hash, read_checkpoint, refuse_links_out
from worker.records import Task


def test_reads_a_folder(tmp_path: Path) -> None:
    """Labels in score order, task, maximum length and padding come from the folder's JSON files."""
    checkpoint = read_checkpoint(model_folder(tmp_path, id2label={"1": "joy", "0": "sadness"}))

    assert (("sadness", "joy"), Task.SINGLE_LABEL) == (checkpoint.labels, checkpoint.task)
    assert (128, 0) == (checkpoint.max_length, checkpoint.pad_id)
    assert (True, None, None) == (checkpoint.has_safetensors, checkpoint.openvino_file, checkpoint.policy_file)


@pytest.mark.parametrize(
    ("problem_type", "labels", "task"),
    [
        ("single_label_classification", 3, Task.SINGLE_LABEL),
        ("multi_label_classification", 3, Task.MULTI_LABEL),
        (None, 3, Task.SINGLE_LABEL),
        (None, 1, Task.MULTI_LABEL),
        ("single_label_classification", 1, Task.MULTI_LABEL),
    ],
)
def test_task(tmp_path: Path, problem_type: str | None, labels: int, task: Task) -> None:
    """The task is the checkpoint's own; unsaid it is one label of several; one label alone is always a sigmoid."""
    names = {str(n): f"label {n}" for n in range(labels)}

    assert task is read_checkpoint(model_folder(tmp_path, problem_type=problem_type, id2label=names)).task


def test_labels_without_names(tmp_path: Path) -> None:
    """Without `id2label` labels are numbered as Hugging Face numbers them."""
    assert ("LABEL_0", "LABEL_1") == read_checkpoint(model_folder(tmp_path, id2label=None)).labels


@pytest.mark.parametrize(
    ("config", "tokenizer_config", "max_length"),
    [
        ({}, {}, 128),
        ({}, {"model_max_length": 10**30}, 512),
        ({}, {"model_max_length": None}, 512),
        ({"max_position_embeddings": 64}, {}, 64),
        ({"model_type": "roberta", "max_position_embeddings": 66}, {}, 65),
        ({"model_type": "roberta", "max_position_embeddings": 66}, {"pad_token": "[UNK]"}, 64),
        ({"max_position_embeddings": None}, {}, 128),
        ({"max_position_embeddings": None, "n_positions": 100}, {}, 100),
        ({"max_position_embeddings": None}, {"model_max_length": None}, 512),
    ],
)
def test_maximum_length(
    tmp_path: Path, config: dict[str, Any], tokenizer_config: dict[str, Any], max_length: int
) -> None:
    """The maximum length is what both the tokenizer and the position embeddings allow; RoBERTa's positions begin
    behind the padding id."""
    folder = model_folder(tmp_path, **config)
    write_json(folder / "tokenizer_config.json", TOKENIZER_CONFIG | tokenizer_config)

    assert max_length == read_checkpoint(folder).max_length


@pytest.mark.parametrize(
    ("pad_token", "config", "pad_id"),
    [
        ("[SEP]", {}, 3),
        ({"content": "[SEP]"}, {}, 3),
        (None, {"pad_token_id": 7}, 7),
        ("[SEP]", {"pad_token_id": 7}, 3),
    ],
)
def test_padding_id(tmp_path: Path, pad_token: object, config: dict[str, Any], pad_id: int) -> None:
    """The padding id is the tokenizer's; the configuration's only where the tokenizer has none."""
    folder = model_folder(tmp_path, **config)
    write_json(folder / "tokenizer_config.json", TOKENIZER_CONFIG | {"pad_token": pad_token})

    assert pad_id == read_checkpoint(folder).pad_id


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"auto_map": {"AutoModel": "evil.Model"}}, "code of its own"),
        ({"problem_type": "regression"}, "regression model"),
        ({"problem_type": "ranking"}, "problem_type 'ranking' is not known"),
        ({"id2label": {"0": "a", "2": "b"}}, "without gaps"),
        ({"id2label": {"0": "a", "1": "a"}}, "distinct"),
        ({"id2label": {"0": "a", "1": ""}}, "not empty"),
        ({"id2label": {"zero": "a"}}, "numbers to names"),
        ({"id2label": ["a", "b"]}, "numbers to names"),
        ({"id2label": {}}, "without gaps"),
    ],
)
def test_refused_configuration(tmp_path: Path, config: dict[str, Any], message: str) -> None:
    """A configuration that cannot be used, or would run foreign code, is refused in one line that says why."""
    with pytest.raises(ModelError, match=message) as refused:
        read_checkpoint(model_folder(tmp_path, **config))

    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("missing", "message"),
    [
        ("config.json", "no config.json: not a model folder"),
        ("tokenizer_config.json", "no tokenizer_config.json"),
        ("tokenizer.json", r"AutoTokenizer.from_pretrained\(…\).save_pretrained"),
        ("model.safetensors", "no model.safetensors, openvino_model.xml or model.onnx"),
    ],
)
def test_missing_file(tmp_path: Path, missing: str, message: str) -> None:
    """Each file that is missing is named, with the way to get it."""
    folder = model_folder(tmp_path)
    (folder / missing).unlink()

    with pytest.raises(ModelError, match=message):
        read_checkpoint(folder)


@pytest.mark.parametrize("broken", ["config.json", "tokenizer_config.json", "tokenizer.json"])
@pytest.mark.parametrize("content", [b"{", b"[]", b"\xff"])
def test_broken_file(tmp_path: Path, broken: str, content: bytes) -> None:
    """A file that is not what its name says is named in the error."""
    folder = model_folder(tmp_path)
    (folder / broken).write_bytes(content)

    with pytest.raises(ModelError, match=broken):
        read_checkpoint(folder)


def test_pickled_weights_only(tmp_path: Path) -> None:
    """Pickled weights are refused, with the way to convert them."""
    folder = model_folder(tmp_path, weights="pytorch_model.bin")

    with pytest.raises(ModelError, match=r"save_pretrained"):
        read_checkpoint(folder)


def test_no_padding_token(tmp_path: Path) -> None:
    """A model whose texts cannot be padded says which setting is missing."""
    folder = model_folder(tmp_path)
    write_json(folder / "tokenizer_config.json", {})

    with pytest.raises(ModelError, match="set pad_token"):
        read_checkpoint(folder)


@pytest.mark.parametrize("weights", ["openvino_model.xml", "model.onnx"])
def test_files_openvino_reads(tmp_path: Path, weights: str) -> None:
    """An IR or ONNX file is found under its usual name."""
    checkpoint = read_checkpoint(model_folder(tmp_path, weights=weights))

    assert (tmp_path / weights, False) == (checkpoint.openvino_file, checkpoint.has_safetensors)


def test_hash_covers_what_decides_scores(tmp_path: Path) -> None:
    """The content hash changes with weights, configuration and tokenizer, with their names, and with nothing else."""
    folder = model_folder(tmp_path / "model")
    before = content_hash(folder)

    (folder / "README.md").write_text("a card")
    (folder / "policy.json").write_text("{}")
    with_card = content_hash(folder)
    (folder / "model.safetensors").write_bytes(b"other weights")
    with_weights = content_hash(folder)
    (folder / "model.safetensors").rename(folder / "model-1.safetensors")

    assert before.startswith("sha256:")
    assert before == with_card == content_hash(model_folder(tmp_path / "copy"))
    assert 3 == len({before, with_weights, content_hash(folder)})


def test_links_out_of_the_folder_are_refused(tmp_path: Path) -> None:
    """A file that lies elsewhere could change without the folder's knowledge; one that is linked within may stay."""
    folder = model_folder(tmp_path / "model")
    (folder / "model-1.safetensors").symlink_to(folder / "model.safetensors")
    refuse_links_out(folder)
    (tmp_path / "elsewhere").write_bytes(b"weights")
    (folder / "model-2.safetensors").symlink_to(tmp_path / "elsewhere")

    with pytest.raises(ModelError, match="link out of the model folder"):
        refuse_links_out(folder)
