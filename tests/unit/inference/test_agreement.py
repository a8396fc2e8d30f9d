"""How far two forms of a model stand apart, and what is refused for it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from worker.errors import ModelError
from worker.inference.agreement import (
    LIMITS,
    Agreement,
    AgreementRecord,
    Form,
    Limit,
    check_quantized,
    read_agreement,
    write_agreement,
)
from worker.records import Task

REVISION = "sha256:1"


def agreement(**figures: Any) -> Agreement:
    return Agreement(**{"texts": 1000, "largest": 0.2, "p99": 0.02, "same_answer": 0.99, **figures})


def record(*, precision: str = "int8", **figures: Any) -> AgreementRecord:
    return AgreementRecord(
        form=Form.model_validate(
            {"name": "own", "revision": REVISION, "backend": "openvino", "precision": precision, "accuracy": 0.9}
        ),
        reference=Form(name="builtin:own", revision="sha256:2", backend="torch", precision="float32"),
        agreement=agreement(**figures),
        texts="sha256:3",
    )


def test_figures_of_one_label() -> None:
    """The largest difference, its 99th percentile, and how many texts keep their most likely label."""
    expected = np.array([[0.6, 0.4], [0.2, 0.8], [0.51, 0.49], [1.0, 0.0]])
    actual = np.array([[0.7, 0.3], [0.2, 0.8], [0.48, 0.52], [1.0, 0.0]])

    found = Agreement.between(expected, actual)

    assert (4, 0.75) == (found.texts, found.same_answer)
    assert found.largest == pytest.approx(0.1)
    assert found.p99 == pytest.approx(np.quantile([0.1, 0.1, 0.03, 0.03, 0, 0, 0, 0], 0.99))


def test_figures_of_several_labels() -> None:
    """With several labels an answer is the same if the same labels are given, whichever is the most likely."""
    expected = np.array([[0.9, 0.6, 0.1], [0.4, 0.3, 0.1], [0.6, 0.49, 0.0]])
    actual = np.array([[0.7, 0.8, 0.2], [0.3, 0.4, 0.1], [0.6, 0.51, 0.0]])

    found = Agreement.between(expected, actual, task=Task.MULTI_LABEL)

    assert found.same_answer == pytest.approx(2 / 3)


@pytest.mark.parametrize(
    ("figures", "objection"),
    [
        ({}, None),
        ({"p99": 0.1, "same_answer": 0.98}, None),
        ({"largest": 0.9}, None),
        ({"same_answer": 0.979}, "2.1 % of 1000 texts get another answer than in float32 (at most 2.0 % may)"),
        ({"p99": 0.11}, "probabilities differ from float32's by 0.11 at the 99th percentile (limit 0.1)"),
    ],
)
def test_limits(figures: dict[str, float], objection: str | None) -> None:
    """What is beyond the limit is said with the figure and the limit; a single far text is not held against it."""
    assert objection == agreement(**figures).beyond(Limit(p99=0.1, same_answer=0.98))


def test_every_precision_that_can_be_exported_has_a_limit() -> None:
    """The more a form saves, the more it may differ."""
    assert ["float32", "bfloat16", "int8"] == sorted(LIMITS, key=lambda name: LIMITS[name].p99)


def test_what_is_written_is_read(tmp_path: Path) -> None:
    """The file holds all that was measured, under the name of its format."""
    write_agreement(tmp_path, record())

    assert record() == read_agreement(tmp_path)
    assert '"schema": "emostream.agreement/1"' in (tmp_path / "agreement.json").read_text()


def test_a_folder_that_says_nothing(tmp_path: Path) -> None:
    """Without the file nothing is known, which is no error."""
    assert read_agreement(tmp_path) is None
    assert not check_quantized(tmp_path, revision=REVISION)


def test_good_figures(tmp_path: Path) -> None:
    """Figures of these weights, within the limits, are enough."""
    write_agreement(tmp_path, record())

    assert check_quantized(tmp_path, revision=REVISION)


@pytest.mark.parametrize(
    ("written", "revision", "message"),
    [
        (record(same_answer=0.5), REVISION, "50.0 % of 1000 texts get another answer"),
        (record(p99=0.4), REVISION, "use the model in bfloat16 or float32"),
        (record(), "sha256:other", "was measured on other weights or settings"),
        (record(precision="float16"), REVISION, "was measured on other weights or settings"),
    ],
)
def test_refusals(tmp_path: Path, written: AgreementRecord, revision: str, message: str) -> None:
    """Figures beyond the limits, or of other weights, keep a quantized model from being loaded."""
    write_agreement(tmp_path, written)

    with pytest.raises(ModelError, match=message):
        check_quantized(tmp_path, revision=revision)


@pytest.mark.parametrize(
    "content",
    [
        *("", "{}", "[1]", '{"schema": "emostream.agreement/2"}', "\x00"),
        record().model_dump_json(by_alias=True).replace('"int8"', '"[red]"'),
    ],
)
def test_a_broken_file(tmp_path: Path, content: str) -> None:
    """A file that is not what it should be is one line with the way out."""
    (tmp_path / "agreement.json").write_text(content)

    with pytest.raises(ModelError, match="export the model again, or remove the file"):
        read_agreement(tmp_path)
