"""The lists that other programs switch on: what is in them is public."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

import worker.errors
import worker.records
from schemas.dead_letter import DEAD_REASON_MEANINGS, DeadReason, Stage
from schemas.fields import Task
from schemas.json_schema import json_schemas
from schemas.review import REASON_MEANINGS, Reason

FORMATS = Path(__file__).parents[3] / "docs" / "formats.md"
REASONS = [
    "low_confidence",
    "small_margin",
    "no_label",
    "uncertain_label",
    "too_many_labels",
    "contradiction",
    "watched_label",
    "out_of_domain",
    "too_short",
    "truncated",
    "guarantee_void",
    "audit_sample",
]
DEAD_REASONS = [
    "invalid_json",
    "invalid_encoding",
    "invalid_framing",
    "invalid_cloudevent",
    "missing_text",
    "not_a_string",
    "empty_text",
    "null_value",
    "too_large",
    "tokenization_failed",
    "inference_failed",
    "event_too_large",
]


def documented(section: str) -> list[str]:
    """The first column of a generated table of docs/formats.md."""
    page = FORMATS.read_text(encoding="utf-8")
    table = page.partition(f"<!-- generated: {section} -->")[2].partition("<!-- end -->")[0]
    return re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)


def enumerated(schema: str, definition: str) -> list[str]:
    values: list[str] = json_schemas()[schema]["$defs"][definition]["enum"]
    return values


def test_review_reasons_agree() -> None:
    """Code, JSON Schema and documentation give the same reasons for review in the same order."""
    assert REASONS == [*Reason]
    assert REASONS == [*REASON_MEANINGS]
    assert REASONS == enumerated("emostream.review/1", "Reason")
    assert REASONS == documented("reasons review")


def test_dead_reasons_agree() -> None:
    """Code, JSON Schema and documentation give the same reasons for dead letters."""
    assert DEAD_REASONS == [*DeadReason]
    assert DEAD_REASONS == [*DEAD_REASON_MEANINGS]
    assert DEAD_REASONS == enumerated("emostream.dead-letter-headers/1", "DeadReason")
    assert DEAD_REASONS == documented("reasons dead letter")


def test_stages_agree() -> None:
    """A dead letter names one of three stages."""
    assert ["decode", "inference", "publish"] == [*Stage]
    assert [*Stage] == enumerated("emostream.dead-letter-headers/1", "Stage")


@pytest.mark.parametrize(
    ("here", "there"),
    [(DeadReason, worker.errors.DeadReason), (Stage, worker.errors.Stage), (Task, worker.records.Task)],
)
def test_the_worker_uses_these_lists(here: type, there: type) -> None:
    """The worker has no lists of its own beside those of the schemas."""
    assert here is there


def test_outcomes_agree() -> None:
    """The outcomes of events and lines are those of the worker."""
    line = json.dumps(json_schemas()["emostream.classified/1"])

    assert {"accepted", "abstained", "dead"} == {*worker.records.Outcome}
    assert all(f'"{outcome}"' in line for outcome in worker.records.Outcome)
