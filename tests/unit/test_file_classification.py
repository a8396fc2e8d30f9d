from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.classified import CLASSIFIED_LINE
from worker.decision.domain import SurpriseTable
from worker.decision.policy import rule_for
from worker.file_classification import FileClassifier
from worker.files import InputRow
from worker.intake import InputFormat, Intake
from worker.records import Encoded, Outcome, Prediction, Task
from worker.testing import FakeClock, StubClassifier


def classifier(
    *, format: InputFormat = "text", task: Task = Task.SINGLE_LABEL, min_confidence: float = 0.5
) -> FileClassifier:
    stub = StubClassifier(task=task)
    return FileClassifier(
        name="texts.csv",
        intake=Intake(format=format, pointer="/text", max_value_bytes=1000),
        classifier=stub,
        rule=rule_for(stub.info, None, min_confidence=min_confidence),
        policy=None,
        clock=FakeClock(),
    )


def lines_of(rows: Sequence[InputRow], *, wave_rows: int = 512, subject: FileClassifier | None = None) -> list[Any]:
    waves = (subject or classifier()).run(rows, wave_rows=wave_rows)
    return [json.loads(line) for wave in waves for line in wave.lines.splitlines()]


def rows_of(*values: bytes) -> list[InputRow]:
    return [InputRow(number, value) for number, value in enumerate(values, start=1)]


@given(values=st.lists(st.binary(max_size=12)), wave_rows=st.integers(1, 5))
def test_one_valid_line_for_each_row_in_order(values: list[bytes], wave_rows: int) -> None:
    """Whatever bytes the rows hold, there is one line for each, in order, as the schema says."""
    lines = lines_of(rows_of(*values), wave_rows=wave_rows)

    assert list(range(1, len(values) + 1)) == [line["source"]["line"] for line in lines]
    for line in lines:
        CLASSIFIED_LINE.validate_python(line)


def test_a_line_says_what_an_event_says() -> None:
    """Labels, scores, model and the row itself, with where it stood and the reasons."""
    (line,) = lines_of(
        rows_of(b'{"text": "a good day", "id": 7}'), subject=classifier(format="json", min_confidence=1.0)
    )

    assert ("texts.csv/1", {"file": "texts.csv", "line": 1}) == (line["id"], line["source"])
    assert ("abstained", ["low_confidence"]) == (line["outcome"], line["reasons"])
    assert {"text": "a good day", "id": 7} == line["payload"]
    assert {"joy", "anger"} == set(line["scores"])


def test_a_line_says_what_calibrate_needs() -> None:
    """What ran the model, how usual the tokens are, and scores with every digit of a float32."""
    table = SurpriseTable(
        surprise=np.ones(256, dtype=np.float32),
        content=np.arange(256) != ord(" "),
        mean=0.0,
        spread=1.0,
        quantiles={},
        fingerprint="sha256:t",
    )
    stub = StubClassifier()
    subject = FileClassifier(
        name="texts.txt",
        intake=Intake(format="text", pointer="/text", max_value_bytes=1000),
        classifier=stub,
        rule=rule_for(stub.info, None, min_confidence=0.0),
        policy=None,
        clock=FakeClock(),
        surprise=table,
    )

    first, bad, last = lines_of(rows_of(b"a good day", b"", b"four"), subject=subject)

    assert {"backend": "stub", "precision": "float32"} == first["engine"]
    assert ([8, 4], "sha256:t") == (
        [line["domain"]["content_tokens"] for line in (first, last)],
        last["domain"]["table"],
    )
    assert "domain" not in bad
    (encoded,) = stub.encode(["a good day"])
    assert isinstance(encoded, Encoded)
    (prediction,) = stub.predict([encoded]).results
    assert isinstance(prediction, Prediction)
    assert first["energy"] == prediction.energy
    assert prediction.scores.tolist() == np.array(list(first["scores"].values()), dtype=np.float32).tolist()


@pytest.mark.parametrize(
    ("value", "stage", "reason"),
    [
        (b"", "decode", "empty_text"),
        (b" \t ", "decode", "empty_text"),
        (b"caf\xe9", "decode", "invalid_encoding"),
        (b"x" * 1001, "decode", "too_large"),
        (b"this is poison", "inference", "inference_failed"),
    ],
)
def test_a_text_that_cannot_be_classified(value: bytes, stage: str, reason: str) -> None:
    """A bad text has a line with the reason; its neighbours have their scores."""
    before, bad, after = lines_of(rows_of(b"one", value, b"two"))

    assert ("dead", [], stage, reason) == (
        bad["outcome"],
        bad["reasons"],
        bad["error"]["stage"],
        bad["error"]["reason"],
    )
    assert ["accepted", "accepted"] == [line["outcome"] for line in (before, after)]


def test_a_row_that_could_not_be_read() -> None:
    """What the reader found wrong with a row stands in its line."""
    rows = [InputRow(1, b"", "3 fields, the first line names 2"), InputRow(2, b"fine")]

    broken, fine = lines_of(rows)

    assert ("missing_text", "3 fields, the first line names 2") == (
        broken["error"]["reason"],
        broken["error"]["message"],
    )
    assert fine["outcome"] == "accepted"


def test_outcomes_are_counted() -> None:
    """Each wave says what became of its rows."""
    (wave,) = classifier().run(rows_of(b"one", b"", b"poison"))

    assert Counter({Outcome.ACCEPTED: 1, Outcome.DEAD: 2}) == wave.outcomes


def test_a_line_for_a_multi_label_model() -> None:
    """Multi-label lines may have any number of labels, and follow the same schema."""
    lines = lines_of(rows_of(b"one", b"two", b"three"), subject=classifier(task=Task.MULTI_LABEL))

    assert {"multi_label"} == {line["model"]["task"] for line in lines}
    for line in lines:
        CLASSIFIED_LINE.validate_python(line)


def test_rows_are_read_as_they_are_needed() -> None:
    """No more rows are in memory than a wave holds."""
    taken: list[int] = []

    def rows() -> Any:
        for number in range(1, 11):
            taken.append(number)
            yield InputRow(number, b"text")

    waves = classifier().run(rows(), wave_rows=3)
    next(waves)

    assert [1, 2, 3] == taken
