from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from schemas.policy import TextRules
from tests.unit.decision.cases import argmax, model, policy, scores
from worker.decision.domain import SURPRISE_FILE, SurpriseTable, load_surprise
from worker.decision.evidence import Evidence
from worker.decision.policy import rule_for
from worker.errors import PolicyError

START, DOT, COMMON, RARE = range(4)
TABLE = SurpriseTable(
    surprise=np.array([0.0, 0.0, 1.0, 9.0], np.float32),
    content=np.array([False, False, True, True]),
    mean=2.0,
    spread=1.0,
    quantiles={0.01: 3.0, 0.02: 2.5},
)


def evidence(*texts: list[int], truncated: bool = False) -> Evidence:
    ids = [np.array(text, np.int32) for text in texts]
    return Evidence(scores(*[(1.0, 0.0, 0.0)] * len(texts)), ids, np.full(len(texts), truncated))


def reasons(found: Evidence, **rules: object) -> list[tuple[str, ...]]:
    decider = rule_for(model(), policy(argmax(0.5), text=TextRules(**rules)), min_confidence=0, surprise=TABLE)
    return [decision.reasons for decision in decider.decide_wave(found).decisions]


def test_surprise_is_normalised_by_length() -> None:
    """The same mean surprise says more of a longer text; tokens without content do not count."""
    ids = [
        np.array(text, np.int32) for text in ([START, COMMON, RARE, DOT], [START] + [COMMON, RARE] * 4, [START, DOT])
    ]

    surprise, content = TABLE.judge(ids)

    np.testing.assert_allclose(surprise, [3 * np.sqrt(2), 3 * np.sqrt(8), 0.0])
    assert [2, 8, 0] == content.tolist()


def test_foreign_texts_are_out_of_domain() -> None:
    """However sure the model is."""
    assert [(), ("out_of_domain",)] == reasons(evidence([START, COMMON], [START, RARE, RARE]), max_surprise=3.0)


def test_a_text_that_is_too_short_is_not_judged_further() -> None:
    """One rare word says little."""
    found = reasons(evidence([START, RARE, DOT], [START, DOT, DOT]), max_surprise=3.0, min_content_tokens=2)

    assert [("too_short",), ("too_short",)] == found


def test_cut_texts_are_reviewed_where_the_policy_says_so() -> None:
    """By default they are decided like any other."""
    cut = evidence([START, COMMON], truncated=True)

    assert [("truncated",)] == reasons(cut, accept_truncated=False)
    assert [()] == reasons(cut)


def test_unknown_ids_are_as_surprising_as_the_last() -> None:
    """A tokenizer that gained tokens does not break the look-up."""
    assert TABLE.judge([np.array([99], np.int32)])[1].tolist() == [1]


def test_table_is_small_and_comes_back_as_it_was_stored(tmp_path: Path) -> None:
    """In half precision, beside the model."""
    TABLE.save(tmp_path)

    loaded = load_surprise(tmp_path / SURPRISE_FILE)

    np.testing.assert_array_equal(TABLE.surprise, loaded.surprise)
    np.testing.assert_array_equal(TABLE.content, loaded.content)
    assert (TABLE.mean, TABLE.spread, TABLE.quantiles) == (loaded.mean, loaded.spread, loaded.quantiles)
    assert loaded.fingerprint.startswith("sha256:")


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 broken", b"\x93NUMPY"])
def test_a_broken_table_is_refused_in_one_line(content: bytes, tmp_path: Path) -> None:
    """The file is named."""
    path = tmp_path / SURPRISE_FILE
    path.write_bytes(content)

    with pytest.raises(PolicyError, match=r"surprise\.npz: no table"):
        load_surprise(path)


@pytest.mark.parametrize(
    ("table", "rules", "says"),
    [
        (None, {"max_surprise": 3.0}, "has no surprise.npz beside it"),
        (TABLE, {"max_surprise": 3.0, "surprise_table": "sha256:other"}, "another surprise.npz"),
    ],
)
def test_a_policy_without_its_table_is_refused(
    table: SurpriseTable | None, rules: dict[str, object], says: str
) -> None:
    """Before any text is judged."""
    with pytest.raises(PolicyError, match=says):
        rule_for(model(), policy(text=TextRules(**rules)), min_confidence=0, surprise=table)
