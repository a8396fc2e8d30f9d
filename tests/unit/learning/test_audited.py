"""Audit copies joined with people's answers."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from worker.decision.audit import sampled
from worker.errors import DataError
from worker.learning.audited import read_audit

IDS = [f"texts/0/{offset}" for offset in range(2000)]
RATE = 0.1
COPIED = [each for each in IDS if sampled(each, RATE)]


def event(record: str, **changes: Any) -> dict[str, Any]:
    promise = {"target_risk": 0.05, "confidence": 0.9, "risk": "selective_risk", "stands": True}
    usual = {
        "id": record,
        "outcome": "accepted",
        "reasons": ["audit_sample"],
        "labels": ["joy"],
        "audit_probability": RATE,
        "policy": {"id": "sha256:p", "guarantee": promise},
    }
    return {**usual, **changes}


def lines(path: Path, rows: Sequence[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_answers_are_joined_by_id(tmp_path: Path) -> None:
    """Events of the review topic as JSON lines, answers as a table."""
    events = lines(tmp_path / "review.jsonl", [event(record) for record in COPIED])
    answers = tmp_path / "answers.csv"
    answers.write_text(
        "id,answer\n" + "".join(f"{each},{'joy' if n % 10 else 'fear'}\n" for n, each in enumerate(COPIED))
    )

    found = read_audit(answers, events)

    wrong = len(range(0, len(COPIED), 10))
    estimate = found.estimate(accepted=None, confidence=0.95)
    assert len(COPIED) == estimate.answers
    assert pytest.approx(wrong / len(COPIED)) == estimate.risk
    assert found.promise is not None
    assert 0.05 == found.promise["target_risk"]


def test_one_file_may_hold_both(tmp_path: Path) -> None:
    """Each event with the answer of a person, who may not have come to it yet."""
    rows = [event(record, answer="joy" if n else None) for n, record in enumerate(COPIED)]

    found = read_audit(lines(tmp_path / "answered.jsonl", rows), None)

    assert (len(COPIED), len(COPIED) - 1) == (len(found.copies), len(found.answered))
    assert 0.0 == found.estimate(accepted=2000, confidence=0.95).risk


def test_records_that_were_not_drawn_do_not_count(tmp_path: Path) -> None:
    """Neither abstained ones, nor accepted ones that somebody looked at for another reason."""
    astray = next(each for each in IDS if each not in COPIED)
    rows = [
        event(COPIED[0], answer="joy"),
        event(COPIED[1], answer="fear", outcome="abstained", reasons=["low_confidence"], audit_probability=None),
        event(astray, answer="fear"),
    ]

    found = read_audit(lines(tmp_path / "answered.jsonl", rows), None)

    assert (1, 2) == (len(found.copies), found.outside)


def test_a_copy_that_was_read_twice_counts_once(tmp_path: Path) -> None:
    """At-least-once delivery repeats events with the same id."""
    rows = [event(COPIED[0], answer="joy"), event(COPIED[0], answer="joy")]

    assert 1 == len(read_audit(lines(tmp_path / "answered.jsonl", rows), None).copies)


@pytest.mark.parametrize(("bounded", "loss"), [("exact_match_error", 1.0), ("wrong_emitted", 0.5)])
def test_several_labels_are_wrong_as_the_promise_counts(tmp_path: Path, bounded: str, loss: float) -> None:
    """One wrong label of two is half an error where wrong labels are bounded."""
    promise = {"target_risk": 0.3, "confidence": 0.9, "risk": bounded}
    row = event(COPIED[0], labels=["joy", "fear"], answer=["joy"], policy={"guarantee": promise})

    (copy,) = read_audit(lines(tmp_path / "answered.jsonl", [row]), None).copies

    assert loss == copy.loss


def test_labels_are_told_apart(tmp_path: Path) -> None:
    """An estimate for each label that was given, most answers first."""
    rows = [event(each, labels=["fear" if n < 5 else "joy"], answer="joy") for n, each in enumerate(COPIED)]

    parts = read_audit(lines(tmp_path / "answered.jsonl", rows), None).by_label(confidence=0.9)

    assert ["joy", "fear"] == list(parts)
    assert (0.0, 1.0) == (parts["joy"].risk, parts["fear"].risk)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([], "no rows"),
        ([{"answer": "joy"}], "line 1: not an event of the output or review topic"),
        ([event(COPIED[0])], "line 1: no field 'answer' or 'label'"),
        ([event("", answer="joy")], "line 1: no field 'id'"),
        ([event(COPIED[0], answer={"joy": 1})], "line 1: an answer is a label"),
        ([event(COPIED[0], answer=None)], "no answered audit copies"),
    ],
)
def test_mistakes_are_one_line(tmp_path: Path, rows: list[dict[str, Any]], message: str) -> None:
    """Each says where and what."""
    path = lines(tmp_path / "answered.jsonl", rows)

    with pytest.raises(DataError, match=message) as caught:
        read_audit(path, None).estimate(accepted=None, confidence=0.95)

    assert 1 == len(str(caught.value).splitlines())
