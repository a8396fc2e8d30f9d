from __future__ import annotations

import json
from typing import Any

import pytest
from tokenizers import Tokenizer

from worker.errors import ModelError
from worker.learning.vocabulary import kept_token_ids, learned_wordpiece, pruned_tokenizer

TEXTS = ["the cat sat on the mat", "the dog sat on the log", "a catalogue of dogs"] * 5


@pytest.fixture
def content() -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(learned_wordpiece(TEXTS, size=120))
    return loaded


def encode(content: dict[str, Any], text: str) -> list[str]:
    return Tokenizer.from_str(json.dumps(content)).encode(text).tokens


def test_pruning_keeps_what_texts_use_most(content: dict[str, Any]) -> None:
    """Frequent words stay whole and the vocabulary has the size that was asked for."""
    tokenizer = Tokenizer.from_str(json.dumps(content))
    used = [encoding.ids for encoding in tokenizer.encode_batch(["the cat sat"] * 3)]
    singles = sum(len(piece.removeprefix("##")) == 1 for piece in content["model"]["vocab"])

    kept = kept_token_ids(content, used, size=5 + singles + 3)
    pruned = pruned_tokenizer(content, kept)

    assert encode(pruned, "the cat sat") == ["[CLS]", "the", "cat", "sat", "[SEP]"]
    assert len(pruned["model"]["vocab"]) == 5 + singles + 3


def test_a_word_that_lost_its_piece_is_spelt(content: dict[str, Any]) -> None:
    """No text becomes unknown that was not unknown before."""
    kept = kept_token_ids(content, [], size=0)

    tokens = encode(pruned_tokenizer(content, kept), "dog")

    assert tokens == ["[CLS]", "d", "##o", "##g", "[SEP]"]


def test_ids_are_renumbered_without_gaps_and_special_tokens_follow(content: dict[str, Any]) -> None:
    """Row n of the cut embeddings belongs to id n, and the template adds the new ids."""
    content["model"]["vocab"] = {piece: number + 7 for piece, number in content["model"]["vocab"].items()}
    for token in content["added_tokens"]:
        token["id"] += 7
    for token in content["post_processor"]["special_tokens"].values():
        token["ids"] = [number + 7 for number in token["ids"]]

    pruned = pruned_tokenizer(content, kept_token_ids(content, [], size=0))

    assert sorted(pruned["model"]["vocab"].values()) == list(range(len(pruned["model"]["vocab"])))
    ids = Tokenizer.from_str(json.dumps(pruned)).encode("d").ids
    assert ids == [pruned["model"]["vocab"][piece] for piece in ("[CLS]", "d", "[SEP]")]


def test_other_tokenizers_are_refused(content: dict[str, Any]) -> None:
    """Pruning knows WordPiece; the message says to leave the option out."""
    content["model"]["type"] = "BPE"

    with pytest.raises(ModelError, match="leave it out"):
        kept_token_ids(content, [], size=10)


def test_a_learned_vocabulary_is_always_the_same() -> None:
    """Ties between pieces are broken the same way in every run."""
    texts = [f"{first}{second}{third}" for first in "abcdef" for second in "ghijkl" for third in "mnopqr"]

    found = {learned_wordpiece(texts, size=80) for _ in range(5)}

    assert len(found) == 1
