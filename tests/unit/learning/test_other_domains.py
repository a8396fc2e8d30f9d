"""Texts of other domains, and how they are told apart."""

from __future__ import annotations

import numpy as np
import pytest

from worker.decision.domain import SurpriseTable
from worker.learning.other_domains import KINDS, USUAL, auroc, foreign_texts, separations

COMMON, RARE = 0, 1
TABLE = SurpriseTable(
    surprise=np.array([1.0, 9.0], np.float32), content=np.ones(2, np.bool_), mean=1.0, spread=1.0, quantiles={0.01: 3.0}
)


def test_the_same_seed_makes_the_same_texts() -> None:
    """Of every kind as many as asked for, none empty, and hardly any twice where sentences are built."""
    texts = foreign_texts(40)

    assert texts == foreign_texts(40)
    assert list(KINDS) == list(texts)
    assert all(len(made) == 40 and all(made) for made in texts.values())
    assert len(set(texts["German"])) > 35


@pytest.mark.parametrize(
    ("higher", "expected"), [([3.0, 4.0], 1.0), ([1.0, 2.0], 0.5), ([0.0], 0.0), ([1.0, 3.0], 0.625)]
)
def test_auroc_counts_pairs(higher: list[float], expected: float) -> None:
    """Ties are worth half."""
    assert expected == auroc(np.array(higher), np.array([1.0, 2.0]))


def test_rare_tokens_separate_and_short_texts_are_found_too() -> None:
    """However sure the model is of them: here it is surest of foreign texts."""
    usual, foreign, short = [np.array(text, np.int32) for text in ([COMMON] * 4, [RARE] * 4, [COMMON])]
    tokens = {"foreign": [foreign], "short": [short], USUAL: [usual, usual]}
    doubt = {"foreign": np.array([0.1]), "short": np.array([0.5]), USUAL: np.array([0.5, 0.5])}

    strange, brief, own = separations(TABLE, tokens, doubt)

    assert (1.0, 0.0, 1.0) == (strange.surprise, strange.doubt, strange.found)
    assert (0.5, 1.0) == (brief.doubt, brief.found)
    assert 0.0 == own.found
