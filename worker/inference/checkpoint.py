"""A model folder in Hugging Face format: what it holds, and what that means for scores.

Reads `config.json`, `tokenizer.json` and `tokenizer_config.json`; loads no weights and needs no torch. Whatever would
run foreign code (pickled weights, `auto_map`) is refused here, in one line that says what to do.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tokenizers import Tokenizer

from worker.errors import ModelError
from worker.inference.tokenization import TextEncoder
from worker.records import Task

SHARD: Final = re.compile(r"model[\w.-]*\.safetensors", re.ASCII)
# In order of preference; ONNX files stand in a folder of their own in many Hub repositories.
OPENVINO_FILES: Final = ("openvino_model.xml", "model.onnx", "onnx/model.onnx")
SAFETENSORS_FILES: Final = ("model.safetensors", "model.safetensors.index.json")
PICKLE_FILES: Final = ("pytorch_model.bin", "pytorch_model.bin.index.json")
POLICY_FILE: Final = "policy.json"
SURPRISE_FILE: Final = "surprise.npz"
AGREEMENT_FILE: Final = "agreement.json"
# What decides a text's scores: the folder's content hash covers these and nothing else.
CONTENT_PATTERNS: Final = (
    "config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "model*.safetensors",
    "model.safetensors.index.json",
    "openvino_model.xml",
    "openvino_model.bin",
    "model.onnx*",
    "onnx/model.onnx*",
)
ALSO_READ: Final = (POLICY_FILE, SURPRISE_FILE, AGREEMENT_FILE, "training.json")
# Their position embeddings start behind the padding id (RoBERTa's `create_position_ids_from_input_ids`).
POSITIONS_AFTER_PADDING: Final = frozenset(
    {"roberta", "camembert", "xlm-roberta", "xlm-roberta-xl", "roberta-prelayernorm", "xmod", "data2vec-text"}
    | {"longformer", "mpnet", "ibert", "luke", "mluke", "markuplm", "layoutlmv3", "lilt", "esm"}
)
MOST_LABELS: Final = 100_000
SHORTEST_MAX_LENGTH: Final = 4  # special tokens take up to three
NO_LIMIT: Final = 1_000_000  # tokenizers without a maximum length say 1e30
UNKNOWN_MAX_LENGTH: Final = 512


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What a model folder says about its model; `folder` is where it stands."""

    folder: Path
    task: Task
    labels: tuple[str, ...]
    max_length: int
    pad_id: int
    truncation_side: str

    @property
    def openvino_file(self) -> Path | None:
        """The IR or ONNX file, if there is one."""
        return _first(self.folder, OPENVINO_FILES)

    @property
    def has_safetensors(self) -> bool:
        return _first(self.folder, SAFETENSORS_FILES) is not None

    @property
    def policy_file(self) -> Path | None:
        """The model's default policy, if it has one."""
        return _first(self.folder, (POLICY_FILE,))

    @property
    def surprise_file(self) -> Path | None:
        """How rare each token is in the training texts, if training stored it: for policies that judge texts."""
        return _first(self.folder, (SURPRISE_FILE,))

    def text_encoder(self) -> TextEncoder:
        """The model's tokenizer, cutting at its maximum length."""
        return TextEncoder(_tokenizer(self.folder), max_length=self.max_length, truncation_side=self.truncation_side)


def read_checkpoint(folder: Path) -> Checkpoint:
    """Read and judge a model folder. Raises ModelError."""
    config = _read_json(folder / "config.json")
    if not isinstance(config.get("model_type", ""), str):
        raise ModelError(f"{folder}/config.json: model_type must be a name")
    if "auto_map" in config:
        raise ModelError(f"{folder}: the model brings code of its own (auto_map), which is never run: use another one")
    tokenizer_config = _read_json(folder / "tokenizer_config.json")
    tokenizer = _tokenizer(folder)
    _check_vocabulary(folder, config, tokenizer)
    if _first(folder, OPENVINO_FILES + SAFETENSORS_FILES) is None:
        raise ModelError(_without_weights(folder))
    _check_index(folder)
    pad_id = _pad_id(folder, config, tokenizer_config, tokenizer)
    labels = _labels(folder, config)
    return Checkpoint(
        folder=folder,
        task=_task(folder, config, labels),
        labels=labels,
        max_length=_max_length(folder, config, tokenizer_config, pad_id),
        pad_id=pad_id,
        truncation_side=_truncation_side(folder, tokenizer_config),
    )


def refuse_links_out(folder: Path) -> None:
    """Raise ModelError for a file that only seems to be in the folder: it can change behind the folder's back."""
    boundary = folder.resolve()
    for path in [*_content(folder), *(folder / name for name in ALSO_READ if (folder / name).is_file())]:
        if not path.resolve().is_relative_to(boundary):
            raise ModelError(f"{path} is a link out of the model folder: put the file itself there")


def content_hash(folder: Path) -> str:
    """`sha256:…` over the names and bytes of weights, configuration and tokenizer, in the order of their names."""
    digest = hashlib.sha256()
    for path in _content(folder):
        with path.open("rb") as file:
            content = hashlib.file_digest(file, "sha256").hexdigest()
        digest.update(f"{path.relative_to(folder).as_posix()}\0{content}\n".encode())
    return f"sha256:{digest.hexdigest()}"


def _content(folder: Path) -> list[Path]:
    return sorted({path for pattern in CONTENT_PATTERNS for path in folder.glob(pattern) if path.is_file()})


def _first(folder: Path, names: tuple[str, ...]) -> Path | None:
    return next((folder / name for name in names if (folder / name).is_file()), None)


def _without_weights(folder: Path) -> str:
    if _first(folder, PICKLE_FILES) is None:
        return f"{folder}: no model.safetensors, openvino_model.xml or model.onnx in it"
    return (
        f"{folder}: only pickled weights (pytorch_model.bin), which can run code and are never loaded: "
        "convert them with model.save_pretrained(…), which writes model.safetensors"
    )


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_bytes(), object_pairs_hook=_without_repeats)
        json.dumps(content, ensure_ascii=False).encode()  # halves of characters, which no tokenizer takes
    except FileNotFoundError:
        raise ModelError(f"{path.parent}: no {path.name}: not a model folder in Hugging Face format") from None
    except (OSError, ValueError) as error:
        raise ModelError(f"{path}: cannot be read: {error}") from error
    except RecursionError:
        raise ModelError(f"{path}: cannot be read: nested too deeply") from None
    if not isinstance(content, dict):
        raise ModelError(f"{path}: not a JSON object")
    return content


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Of a key that is there twice, one reader takes the first and another the last."""
    content = dict(pairs)
    if len(content) < len(pairs):
        raise ValueError("a key is there twice")
    return content


def _tokenizer(folder: Path) -> Tokenizer:
    path = folder / "tokenizer.json"
    if not path.is_file():
        raise ModelError(
            f"{folder}: no tokenizer.json: save it with AutoTokenizer.from_pretrained(…).save_pretrained(…)"
        )
    try:
        return Tokenizer.from_file(str(path))
    except Exception as error:  # the tokenizer raises bare Exception
        raise ModelError(f"{path}: cannot be read: {error}") from error


def _check_vocabulary(folder: Path, config: Mapping[str, Any], tokenizer: Tokenizer) -> None:
    """Refuse a tokenizer whose ids point behind the embedding table: not every backend would notice."""
    known, embedded = tokenizer.get_vocab_size(with_added_tokens=True), config.get("vocab_size")
    if isinstance(embedded, int) and known > embedded:
        raise ModelError(f"{folder}: the tokenizer has {known} tokens, the model {embedded}: they are not of one model")


def _check_index(folder: Path) -> None:
    """Weights in several files: all of them in the folder, in the safe format, and part of its content's hash."""
    path = folder / SAFETENSORS_FILES[1]
    if not path.is_file():
        return
    files = _read_json(path).get("weight_map")
    if not isinstance(files, dict) or not all(
        isinstance(name, str) and SHARD.fullmatch(name) for name in files.values()
    ):
        raise ModelError(
            f"{path}: weight_map must name files of this folder like model-00001-of-00002.safetensors only"
        )


def _labels(folder: Path, config: Mapping[str, Any]) -> tuple[str, ...]:
    """Names in score order: `id2label`, or LABEL_0 … as Hugging Face names what has no names."""
    named = config.get("id2label")
    if named is None:
        count = config.get("num_labels", 2)
        if not isinstance(count, int) or not 1 <= count <= MOST_LABELS:
            raise ModelError(f"{folder}/config.json: num_labels must be a number from 1 to {MOST_LABELS}")
        return tuple(f"LABEL_{index}" for index in range(count))
    try:
        by_id = {int(index): str(name) for index, name in named.items()}
    except (AttributeError, TypeError, ValueError) as error:
        raise ModelError(f"{folder}/config.json: id2label must map numbers to names") from error
    if not by_id or len(named) > MOST_LABELS or sorted(by_id) != list(range(len(named))):
        raise ModelError(f"{folder}/config.json: id2label must number its labels 0 to n-1 without gaps")
    labels = tuple(by_id[index] for index in range(len(by_id)))
    if len(set(labels)) != len(labels) or not all(label and label.isprintable() for label in labels):
        raise ModelError(f"{folder}/config.json: id2label names must be distinct, printable and not empty")
    return labels


def _task(folder: Path, config: Mapping[str, Any], labels: tuple[str, ...]) -> Task:
    """As Hugging Face's own text-classification pipeline activates: one label is a sigmoid whatever else is said."""
    problem = config.get("problem_type")
    if problem == "regression":
        raise ModelError(f"{folder}: a regression model (problem_type) has no labels to choose from")
    if problem not in (None, "single_label_classification", "multi_label_classification"):
        raise ModelError(f"{folder}/config.json: problem_type {problem!r} is not known")
    multi = problem == "multi_label_classification" or len(labels) == 1
    return Task.MULTI_LABEL if multi else Task.SINGLE_LABEL


def _pad_id(folder: Path, config: Mapping[str, Any], tokenizer_config: Mapping[str, Any], tokenizer: Tokenizer) -> int:
    declared = tokenizer_config.get("pad_token")
    token = declared.get("content") if isinstance(declared, dict) else declared
    by_name = tokenizer.token_to_id(token) if isinstance(token, str) else None
    pad_id = by_name if by_name is not None else config.get("pad_token_id")
    if not isinstance(pad_id, int):
        raise ModelError(f"{folder}: no padding token: set pad_token in tokenizer_config.json")
    embedded = config.get("vocab_size")
    if pad_id < 0 or (isinstance(embedded, int) and pad_id >= embedded):
        raise ModelError(f"{folder}: the padding id is not one of the model's tokens: set pad_token_id in config.json")
    return pad_id


def _truncation_side(folder: Path, tokenizer_config: Mapping[str, Any]) -> str:
    side = tokenizer_config.get("truncation_side", "right")
    if side not in ("left", "right"):
        raise ModelError(f"{folder}/tokenizer_config.json: truncation_side must be left or right")
    return str(side)


def _max_length(folder: Path, config: Mapping[str, Any], tokenizer_config: Mapping[str, Any], pad_id: int) -> int:
    """Tokens of the longest text the model takes, special tokens included."""
    limits = []
    positions = config.get("max_position_embeddings") or config.get("n_positions")
    if isinstance(positions, int) and positions > 0:
        behind = pad_id + 1 if config.get("model_type") in POSITIONS_AFTER_PADDING else 0
        limits.append(positions - behind)
    declared = tokenizer_config.get("model_max_length")
    if isinstance(declared, int | float) and 0 < declared < NO_LIMIT:
        limits.append(int(declared))
    longest = min(limits, default=UNKNOWN_MAX_LENGTH)
    if longest < SHORTEST_MAX_LENGTH:
        raise ModelError(
            f"{folder}: the model takes texts of {longest} tokens only: correct model_max_length in "
            "tokenizer_config.json or max_position_embeddings in config.json"
        )
    return longest
