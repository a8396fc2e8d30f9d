"""A tokenizer with one token for each word, and an engine on it over any backend: what these tests share."""

from __future__ import annotations

from collections.abc import Sequence

from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import WhitespaceSplit
from tokenizers.processors import TemplateProcessing

from worker.inference.engine import Engine, EngineOptions
from worker.inference.tokenization import TextEncoder
from worker.ports import Backend, Inferred
from worker.records import Encoded, ModelInfo, Task

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]")
PAD_ID = 0


def tokenizer(words: Sequence[str] = ()) -> Tokenizer:
    """[CLS] word… [SEP]; `words` and w0 … w999 are known."""
    vocabulary = {word: number for number, word in enumerate([*SPECIAL, *words, *(f"w{n}" for n in range(1000))])}
    made = Tokenizer(WordLevel(vocabulary, unk_token="[UNK]"))
    made.pre_tokenizer = WhitespaceSplit()
    made.post_processor = TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)])
    return made


def info(*, task: Task = Task.SINGLE_LABEL, labels: int = 3, max_length: int = 64, device: str = "cpu") -> ModelInfo:
    names = tuple(f"label {n}" for n in range(labels))
    return ModelInfo("stub", "sha256:stub", task, names, max_length, "stub", "float32", device)


def engine(backend: Backend, *, options: EngineOptions | None = None, model: ModelInfo | None = None) -> Engine:
    """An engine that is not warmed up, so that a stub's counts begin at zero."""
    described = model or info()
    encoder = TextEncoder(tokenizer(), max_length=described.max_length)
    return Engine(info=described, encoder=encoder, backend=backend, pad_id=PAD_ID, options=options)


def classify(subject: Engine, texts: Sequence[str]) -> Inferred:
    """Encode and predict texts that the tokenizer takes."""
    encoded = [each for each in subject.encode(texts) if isinstance(each, Encoded)]
    assert len(encoded) == len(texts)
    return subject.predict(encoded)
