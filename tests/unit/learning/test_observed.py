"""What a model says of labelled texts, however it is asked."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.unit.learning.predictions import multi, single, with_energy, with_tokens, write
from worker.decision.domain import SurpriseTable
from worker.errors import DataError
from worker.learning.datasets import LabelledTexts
from worker.learning.observed import observe, read_observed
from worker.testing import StubClassifier

TEXTS = ("a good day", "a bad day", "x" * 70)


def labelled(*labels: str) -> LabelledTexts:
    return LabelledTexts(TEXTS[: len(labels)], [(label,) for label in labels], ("joy", "anger"), multi_label=False)


def test_a_model_is_run_over_all_texts() -> None:
    """Its scores as they come, which texts were cut, the truth in its order of labels."""
    stub, told = StubClassifier(), []

    found = observe(stub, labelled("joy", "anger", "joy"), progress=told.append)

    assert [[True, False], [False, True], [True, False]] == found.truth.tolist()
    assert [False, False, True] == found.truncated.tolist()
    assert (3, None, [3]) == (len(found), found.tokens, told)
    assert found.scores.sum(axis=1) == pytest.approx(1.0)
    assert found.energy is not None
    assert (3,) == found.energy.shape


def test_tokens_are_measured_where_there_is_a_table() -> None:
    """By the table that stands beside the model."""
    table = SurpriseTable(
        surprise=np.ones(256, dtype=np.float32),
        content=np.ones(256, dtype=np.bool_),
        mean=0.5,
        spread=1.0,
        quantiles={},
        fingerprint="sha256:t",
    )

    found = observe(StubClassifier(), labelled("joy"), surprise=table)

    assert found.tokens is not None
    assert ([10], "sha256:t") == (found.tokens.content.tolist(), found.tokens.table)
    assert [0.5 * np.sqrt(10)] == pytest.approx(found.tokens.surprise.tolist())


def test_texts_that_would_be_dead_letters_are_left_out_and_counted() -> None:
    """Blank ones, and those that the model cannot judge; a wrong label is told with the number that the text has."""
    texts = LabelledTexts(
        ("this is poison", " \n", "fine", ""), [("joy",)] * 2 + [("anger",)] + [("joy",)], ("joy", "anger"), False
    )

    found = observe(StubClassifier(), texts)

    assert (1, 3, ["fine"], [("anger",)]) == (len(found), found.dead, list(found.texts), list(found.labels))
    assert [[False, True]] == found.truth.tolist()
    with pytest.raises(DataError, match=r"^text 3: label 'anger'"):
        observe(StubClassifier(labels=("joy", "fear")), texts)


def test_nothing_to_classify_is_told() -> None:
    """There is nothing to measure."""
    texts = LabelledTexts((" ", "poison"), [("joy",), ("joy",)], ("joy", "anger"), multi_label=False)

    with pytest.raises(DataError, match="no text can be classified"):
        observe(StubClassifier(), texts)


def test_a_label_that_is_none_of_the_models() -> None:
    """Says which ones it has."""
    texts = LabelledTexts(("fine",), [("hope",)], ("hope",), multi_label=False)

    with pytest.raises(DataError, match=r"text 1: label 'hope' is none of the model's \(joy, anger\)"):
        observe(StubClassifier(), texts)


@pytest.mark.parametrize(
    "found", [single(20), multi(20), with_tokens(single(20), [1.5] * 20, [3] * 20), with_energy(single(20))]
)
def test_lines_say_the_same_as_the_model(tmp_path: Path, found: object) -> None:
    """Every digit of the scores, the truth, the tokens, the energy, the fingerprint, the engine."""
    again = read_observed(write(tmp_path / "lines.jsonl", found))  # type: ignore[arg-type]

    assert vars(found)["scores"].tolist() == again.scores.tolist()
    assert vars(found)["truth"].tolist() == again.truth.tolist()
    assert (vars(found)["model"], found.fingerprint) == (again.model, again.fingerprint)  # type: ignore[attr-defined]
    assert (vars(found)["tokens"] is None) is (again.tokens is None)
    assert np.array_equal(vars(found)["energy"], again.energy)
