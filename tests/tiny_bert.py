"""A two-layer BERT with random weights and its tokenizer, in Hugging Face form: small enough to build in every session.

Its weights are spread widely, so that logits differ between texts as a trained model's do.
"""

from __future__ import annotations

import atexit
import shutil
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Literal

from tokenizers import Tokenizer
from tokenizers.models import WordPiece
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer
from tokenizers.processors import TemplateProcessing

LETTERS = "abcdefghijklmnopqrstuvwxyz'"
SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]")
WORDS = (
    *("i", "am", "so", "very", "happy", "sad", "angry", "afraid", "of", "you", "today"),
    *("and", "the", "rain", "is", "cold", "love", "it", "not", "at", "all"),
)
LABELS = ("sadness", "joy", "love", "anger", "fear", "surprise")
MAX_LENGTH = 64

Weights = Literal["float32", "float16", "int8"]


def save_tokenizer(folder: Path) -> int:
    """Write tokenizer.json and tokenizer_config.json; the size of the vocabulary."""
    pieces = [*SPECIAL, *WORDS, *LETTERS, *(f"##{letter}" for letter in LETTERS)]
    vocabulary = {piece: number for number, piece in enumerate(dict.fromkeys(pieces))}
    tokenizer = Tokenizer(WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = BertNormalizer()
    tokenizer.pre_tokenizer = BertPreTokenizer()
    tokenizer.post_processor = TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)])
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "tokenizer_config.json").write_text(f'{{"model_max_length": {MAX_LENGTH}, "pad_token": "[PAD]"}}')
    return len(vocabulary)


def save_tiny_bert(folder: Path, *, problem_type: str = "single_label_classification", head: bool = True) -> Path:
    """Write config.json and model.safetensors beside the tokenizer; without `head`, an encoder that has none."""
    import torch
    from transformers import BertConfig, BertForSequenceClassification, BertModel

    config = BertConfig(
        vocab_size=save_tokenizer(folder),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=MAX_LENGTH,
        initializer_range=0.25,
        problem_type=problem_type,
        id2label=dict(enumerate(LABELS)),
        label2id={label: number for number, label in enumerate(LABELS)},
    )
    torch.manual_seed(7)
    (BertForSequenceClassification if head else BertModel)(config).save_pretrained(folder)
    return folder


def texts(count: int) -> list[str]:
    """Texts of many lengths, some of them longer than the model reads."""
    lengths = [1 + n * n % 70 for n in range(count)]
    return [" ".join(WORDS[(n * 7 + k) % len(WORDS)] for k in range(length)) for n, length in enumerate(lengths)]


@cache
def checkpoint_folder() -> Path:
    """The Hugging Face folder, built once for the test run. Not to be written to."""
    return save_tiny_bert(_temporary_folder() / "checkpoint")


@cache
def exported_folder(weights: Weights) -> Path:
    """The same as IR with weights stored so, exported once for the test run. Not to be written to."""
    from worker.inference.export import export_openvino

    folder = _temporary_folder() / weights
    export_openvino(checkpoint_folder(), folder, weights=weights)
    return folder


@cache
def quantized_folder() -> Path:
    """The same in int8, weights and activations, quantized once for the test run. Not to be written to."""
    from worker.inference.checkpoint import read_checkpoint
    from worker.inference.forms import float_model, save_form
    from worker.inference.quantization import quantized
    from worker.records import Encoded

    checkpoint, folder = read_checkpoint(checkpoint_folder()), _temporary_folder() / "quantized"
    encoded = checkpoint.text_encoder().encode(texts(60))
    ids = [each.ids for each in encoded if isinstance(each, Encoded)]
    save_form(quantized(float_model(checkpoint), ids), checkpoint.folder, folder, halved=False)
    return folder


@cache
def cache_home() -> Path:
    """A folder for $XDG_CACHE_HOME that lives as long as the test run."""
    return _temporary_folder() / "cache"


@cache
def _temporary_folder() -> Path:
    folder = Path(mkdtemp(prefix="tiny-bert-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder
