"""WordPiece vocabularies: cut an existing one to what the training texts need, or learn a small one.

Word embeddings are half of a small encoder's weights, and a narrow set of texts uses a third of them. Pure functions
over the content of a `tokenizer.json`; cutting the embedding rows to match is `worker.learning.bases`'.
"""

from __future__ import annotations

import copy
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from worker.errors import ModelError

CONTINUES = "##"
SPECIAL_TOKENS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")


def kept_token_ids(tokenizer: dict[str, Any], used: Iterable[Sequence[int]], *, size: int) -> list[int]:
    """Old ids to keep, ascending: special tokens, single characters, then the most frequent up to `size`.

    Every text stays spellable: a word that lost its own piece is split into the pieces that remain.
    """
    model = tokenizer["model"]
    if model["type"] != "WordPiece":
        raise ModelError(
            f"pruning the vocabulary needs a WordPiece tokenizer, this one is {model['type']}: leave it out"
        )
    prefix = model.get("continuing_subword_prefix", CONTINUES)
    kept = {entry["id"] for entry in tokenizer["added_tokens"]}
    kept |= {index for piece, index in model["vocab"].items() if len(piece.removeprefix(prefix)) == 1}
    counts = Counter(index for ids in used for index in ids)
    for index, _ in sorted(counts.items(), key=lambda item: (-item[1], item[0])):
        if len(kept) >= size:
            break
        kept.add(index)
    return sorted(kept)


def pruned_tokenizer(tokenizer: dict[str, Any], kept: Sequence[int]) -> dict[str, Any]:
    """The same `tokenizer.json` content with only the ids in `kept`, renumbered 0, 1, 2, … in that order."""
    new_id = {old: new for new, old in enumerate(kept)}
    result = copy.deepcopy(tokenizer)
    model = result["model"]
    model["vocab"] = {piece: new_id[old] for piece, old in model["vocab"].items() if old in new_id}
    for entry in result["added_tokens"]:
        entry["id"] = new_id[entry["id"]]
    _renumber_post_processor(result.get("post_processor"), new_id)
    result["truncation"] = None
    result["padding"] = None
    return result


def _renumber_post_processor(processor: dict[str, Any] | None, new_id: dict[int, int]) -> None:
    if processor is None:
        return
    if processor["type"] == "TemplateProcessing":
        for token in processor["special_tokens"].values():
            token["ids"] = [new_id[old] for old in token["ids"]]
    elif processor["type"] == "BertProcessing":
        for end in ("sep", "cls"):
            processor[end] = [processor[end][0], new_id[processor[end][1]]]
    else:
        raise ModelError(f"pruning the vocabulary does not know the post-processor {processor['type']}: leave it out")


def learned_wordpiece(texts: Sequence[str], *, size: int) -> str:
    """A lower-casing WordPiece tokenizer learned from `texts`, as the text of a `tokenizer.json`; always the same."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers

    tokenizer = Tokenizer(models.WordPiece(unk_token=SPECIAL_TOKENS[1]))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    characters = sorted({letter for text in texts for letter in tokenizer.normalizer.normalize_str(text)} - {" "})
    # The trainer numbers these pieces in the order of a hash map and breaks ties by number, unless it knows them.
    numbered = [*SPECIAL_TOKENS, *(f"{CONTINUES}{letter}" for letter in characters)]
    trainer = trainers.WordPieceTrainer(vocab_size=size, special_tokens=numbered, show_progress=False)
    tokenizer.train_from_iterator(texts, trainer)
    first, last = tokenizer.token_to_id("[CLS]"), tokenizer.token_to_id("[SEP]")
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", first), ("[SEP]", last)]
    )
    content = json.loads(tokenizer.to_str())
    content["added_tokens"] = [entry for entry in content["added_tokens"] if entry["content"] in SPECIAL_TOKENS]
    return json.dumps(content, ensure_ascii=False)
