"""The table of token surprise."""

from __future__ import annotations

import numpy as np
from tokenizers import AddedToken, Tokenizer, models, pre_tokenizers

from worker.learning.surprise import content_tokens, surprise_table, threshold_at

WORDS = ["[PAD]", "[UNK]", "[CLS]", ".", "!", "i", "feel", "fine", "quasar"]


def tokenizer() -> Tokenizer:
    made = Tokenizer(models.WordLevel({word: place for place, word in enumerate(WORDS)}, unk_token="[UNK]"))
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    made.add_special_tokens([AddedToken(word, special=True) for word in WORDS[:3]])
    return made


def ids(*texts: str) -> list[np.ndarray]:
    return [np.array(encoding.ids, np.int32) for encoding in tokenizer().encode_batch(texts)]


def test_content_has_a_letter_or_digit() -> None:
    """Signs and special tokens have none; the unknown token may be anything, so it counts."""
    content = content_tokens(tokenizer())

    assert ["[UNK]", "i", "feel", "fine", "quasar"] == [word for word, flag in zip(WORDS, content, strict=True) if flag]


def test_rare_and_unknown_tokens_are_surprising() -> None:
    """Common ones are not, and repeats within a text count once."""
    training = ids(*["i feel fine fine ."] * 98, "i feel quasar", "i")
    table = surprise_table(training, training, tokenizer())

    surprise, _ = table.judge(ids("i feel fine", "quasar quasar quasar", "ζήτα ζήτα ζήτα"))

    assert surprise[0] < 1 < surprise[1] < surprise[2]


def test_the_threshold_has_the_false_alarm_rate_asked_for() -> None:
    """On texts of the domain that were held back."""
    held = ids(*["i feel fine"] * 99, "quasar quasar quasar")
    table = surprise_table(ids(*["i feel fine"] * 100), held, tokenizer())

    surprise, _ = table.judge(held)

    assert 0.01 >= (surprise > table.quantiles[0.01]).mean()
    assert table.quantiles[0.005] >= table.quantiles[0.05]
    assert np.inf == threshold_at(table, [], 0.01)


def test_a_table_of_nothing_is_a_table() -> None:
    """No texts, or none with content."""
    for training in ([], ids(". !")):
        assert np.isfinite(surprise_table(training, [], tokenizer()).spread)
