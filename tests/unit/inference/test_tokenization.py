from __future__ import annotations

import json

import pytest
from tokenizers import Tokenizer

from tests.unit.inference.words import tokenizer
from worker.errors import DeadReason, RecordError
from worker.inference.tokenization import TextEncoder
from worker.records import Encoded


def encode(*texts: str, max_length: int = 6, truncation_side: str = "right") -> list[Encoded | RecordError]:
    return TextEncoder(tokenizer(), max_length=max_length, truncation_side=truncation_side).encode(texts)


@pytest.mark.parametrize(
    ("words", "tokens", "truncated"), [(0, 2, False), (1, 3, False), (4, 6, False), (5, 6, True), (500, 6, True)]
)
def test_truncated_at_the_maximum_length(words: int, tokens: int, truncated: bool) -> None:
    """A text is cut to the maximum length, special tokens included, and says so only if something was lost."""
    (encoded,) = encode(" ".join(["w1"] * words))

    assert isinstance(encoded, Encoded)
    assert (tokens, truncated) == (encoded.tokens, encoded.truncated)


def test_truncation_keeps_the_special_tokens() -> None:
    """A cut text still ends as the model expects it, and is cut on the side the model says."""
    text = "w0 w1 w2 w3 w4 w5"

    (right,) = encode(text)
    (left,) = encode(text, truncation_side="left")

    assert isinstance(right, Encoded)
    assert isinstance(left, Encoded)
    assert [2, 4, 5, 6, 7, 3] == right.ids.tolist()
    assert [2, 6, 7, 8, 9, 3] == left.ids.tolist()


def test_refused_text_costs_its_neighbours_nothing() -> None:
    """A text that is no Unicode text for the tokenizer gets an error in its place, the others their tokens."""
    first, refused, last = encode("w1", "broken \ud800 surrogate", "w2 w3")

    assert isinstance(refused, RecordError)
    assert (DeadReason.TOKENIZATION_FAILED, "broken" in refused.detail) == (refused.reason, False)
    assert [3, 4] == [each.tokens for each in (first, last) if isinstance(each, Encoded)]


def test_text_without_a_token() -> None:
    """Where the model has no special tokens, a text without any token is an error, not an empty row."""
    bare = tokenizer()
    bare.post_processor = None

    (refused,) = TextEncoder(bare, max_length=6).encode([" "])

    assert isinstance(refused, RecordError)


def test_a_damaged_tokenizer_that_panics() -> None:
    """A special token that its template asks for and nobody describes: an error for each text, not the worker's end."""
    described = json.loads(tokenizer().to_str())
    described["post_processor"]["special_tokens"]["[ODD]"] = described["post_processor"]["special_tokens"].pop("[SEP]")
    damaged = Tokenizer.from_str(json.dumps(described))

    refused = TextEncoder(damaged, max_length=6).encode(["w1", "w2 w3"])

    assert [DeadReason.TOKENIZATION_FAILED] * 2 == [each.reason for each in refused if isinstance(each, RecordError)]


def test_nothing_to_encode() -> None:
    """No texts, no encodings."""
    assert [] == encode()
