"""Where training starts: a checkpoint (perhaps with a smaller vocabulary) or a new small encoder; and how it is saved.

Owns the pair of tokenizer and model in Hugging Face form. Checkpoints are read from safetensors only, and no code
that comes with them is run.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from worker.errors import ModelError
from worker.learning import vocabulary

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from transformers import PreTrainedModel

BUILTIN_MODELS = Path(__file__).parent.parent / "models"


@dataclass(frozen=True, kw_only=True)
class NewEncoder:
    """Shape of a BERT encoder trained from nothing, with its own WordPiece vocabulary.

    `initial_spread` is the standard deviation of the first random weights; narrow encoders learn sooner with more.
    """

    layers: int = 2
    width: int = 128
    heads: int = 4
    vocabulary: int = 5000
    positions: int = 256
    initial_spread: float = 0.02


@dataclass
class Classifier:
    """A tokenizer and the model it feeds; `tokenizer` truncates to `max_length` and adds the special tokens."""

    tokenizer: Tokenizer
    model: PreTrainedModel
    max_length: int

    @property
    def pad_id(self) -> int:
        return int(self.model.config.pad_token_id)

    @property
    def size(self) -> int:
        """Number of parameters."""
        return sum(parameter.numel() for parameter in self.model.parameters())

    def limit_length(self, tokens: int) -> None:
        """Read at most this many tokens of a text, special ones included."""
        self.max_length = min(self.max_length, tokens)
        self.tokenizer.enable_truncation(self.max_length)

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        return [encoding.ids for encoding in self.tokenizer.encode_batch(list(texts))]

    def save(self, folder: Path) -> None:
        """Write config.json, model.safetensors, tokenizer.json and tokenizer_config.json."""
        folder.mkdir(parents=True, exist_ok=True)
        self.model.save_pretrained(folder, safe_serialization=True)
        save_tokenizer(self.tokenizer, folder, max_length=self.max_length)


def save_tokenizer(tokenizer: Tokenizer, folder: Path, *, max_length: int) -> None:
    """Write tokenizer.json without truncation or padding, which are the engine's to choose, and its small config."""
    content = json.loads(tokenizer.to_str())
    content["truncation"] = content["padding"] = None
    (folder / "tokenizer.json").write_text(json.dumps(content, ensure_ascii=False, separators=(",", ":")))
    special = {
        "pad_token": "[PAD]",
        "unk_token": "[UNK]",
        "cls_token": "[CLS]",
        "sep_token": "[SEP]",
        "mask_token": "[MASK]",
    }
    known = {role: token for role, token in special.items() if tokenizer.token_to_id(token) is not None}
    config = {"tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": max_length, **known}
    (folder / "tokenizer_config.json").write_text(json.dumps(config, indent=2) + "\n")


def load_base(
    name: str,
    *,
    label_names: Sequence[str],
    multi_label: bool,
    texts: Sequence[str],
    vocabulary_size: int | None = None,
) -> Classifier:
    """A checkpoint (directory, Hub id or `builtin:NAME` in Hugging Face form) with a head for `label_names`.

    A head of the same size is kept, any other is new. With `vocabulary_size` the WordPiece vocabulary is cut to the
    pieces that `texts` use most.
    """
    from transformers import AutoModelForSequenceClassification, AutoTokenizer, logging

    logging.set_verbosity_error()  # a report of the new head's missing weights at each load
    logging.disable_progress_bar()
    source = _resolved(name)
    problem = "multi_label_classification" if multi_label else "single_label_classification"
    try:
        model = AutoModelForSequenceClassification.from_pretrained(
            source,
            num_labels=len(label_names),
            problem_type=problem,
            id2label=dict(enumerate(label_names)),
            label2id={label: number for number, label in enumerate(label_names)},
            ignore_mismatched_sizes=True,
            use_safetensors=True,
            trust_remote_code=False,
            dtype="float32",
        )
        fast = AutoTokenizer.from_pretrained(source, use_fast=True, trust_remote_code=False)
    except (OSError, ValueError) as error:
        raise ModelError(f"base model {name} cannot be loaded: {str(error).splitlines()[0]}") from error
    if not fast.is_fast:
        raise ModelError(f"base model {name} has no tokenizer.json: choose one with a fast tokenizer")
    pad_id = fast.pad_token_id if fast.pad_token_id is not None else fast.eos_token_id
    model.config.pad_token_id = pad_id
    positions = getattr(model.config, "max_position_embeddings", None) or 512
    max_length = min(int(fast.model_max_length), int(positions))
    classifier = Classifier(tokenizer=fast.backend_tokenizer, model=model, max_length=max_length)
    classifier.tokenizer.no_padding()
    classifier.tokenizer.enable_truncation(max_length)
    return classifier if vocabulary_size is None else _with_smaller_vocabulary(classifier, texts, size=vocabulary_size)


def new_encoder(
    shape: NewEncoder, *, label_names: Sequence[str], multi_label: bool, texts: Sequence[str]
) -> Classifier:
    """A BERT encoder with random weights and a WordPiece vocabulary learned from `texts`."""
    from tokenizers import Tokenizer
    from transformers import BertConfig, BertForSequenceClassification

    tokenizer = Tokenizer.from_str(vocabulary.learned_wordpiece(texts, size=shape.vocabulary))
    tokenizer.enable_truncation(shape.positions)
    config = BertConfig(
        vocab_size=tokenizer.get_vocab_size(),
        hidden_size=shape.width,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        intermediate_size=4 * shape.width,
        max_position_embeddings=shape.positions,
        initializer_range=shape.initial_spread,
        pad_token_id=tokenizer.token_to_id("[PAD]"),
        problem_type="multi_label_classification" if multi_label else "single_label_classification",
        id2label=dict(enumerate(label_names)),
        label2id={label: number for number, label in enumerate(label_names)},
    )
    return Classifier(tokenizer=tokenizer, model=BertForSequenceClassification(config), max_length=shape.positions)


def _resolved(name: str) -> str:
    if not name.startswith("builtin:"):
        return name
    folder = BUILTIN_MODELS / name.removeprefix("builtin:")
    if not (folder / "model.safetensors").is_file():
        raise ModelError(
            f"{name} does not ship in Hugging Face form: `make models` trains it, or start from builtin:emotion-tiny"
        )
    return str(folder)


def _with_smaller_vocabulary(classifier: Classifier, texts: Sequence[str], *, size: int) -> Classifier:
    import torch
    from tokenizers import Tokenizer

    content: dict[str, Any] = json.loads(classifier.tokenizer.to_str())
    kept = vocabulary.kept_token_ids(content, classifier.encode(texts), size=size)
    tokenizer = Tokenizer.from_str(json.dumps(vocabulary.pruned_tokenizer(content, kept)))
    tokenizer.enable_truncation(classifier.max_length)
    model = classifier.model
    rows = model.get_input_embeddings().weight.detach()[torch.tensor(kept)].clone()
    pad_id = kept.index(classifier.pad_id)
    count, width = rows.shape
    model.set_input_embeddings(torch.nn.Embedding(count, width, padding_idx=pad_id, _weight=rows))
    model.config.vocab_size = len(kept)
    model.config.pad_token_id = pad_id
    return Classifier(tokenizer=tokenizer, model=model, max_length=classifier.max_length)
