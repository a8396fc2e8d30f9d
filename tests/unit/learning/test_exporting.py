"""Which texts an export is calibrated on and judged by, and where it may be written."""

from __future__ import annotations

from pathlib import Path

import pytest

from worker.errors import DataError
from worker.learning.datasets import LabelledTexts
from worker.learning.exporting import MOST_TO_JUDGE, check_target, divide


def numbered(count: int, *, first: int = 0) -> list[str]:
    return [f"text {number}" for number in range(first, first + count)]


def labelled(texts: list[str]) -> LabelledTexts:
    return LabelledTexts(texts, [("joy",)] * len(texts), ("joy",), multi_label=False)


@pytest.mark.parametrize(
    ("given", "calibration", "judging"), [(150, 50, 100), (400, 200, 200), (1000, 300, 700), (9000, 300, 2000)]
)
def test_int8_divides_its_texts(given: int, calibration: int, judging: int) -> None:
    """A third to a half calibrates, 300 texts at most, the others judge; none does both."""
    texts = divide(numbered(given), None, calibrates=True)

    assert (calibration, judging) == (len(texts.calibration), len(texts.judging))
    assert not set(texts.calibration) & set(texts.judging)


def test_labelled_texts_judge_instead() -> None:
    """All others may calibrate, but for those that stand in both files."""
    both = numbered(300)

    texts = divide(both, labelled([*both[:10], " ", *numbered(200, first=1000)]), calibrates=True)

    assert (300, 200) == (len(texts.calibration), len(texts.judging))
    assert texts.labelled is not None
    assert texts.judging == texts.labelled.texts


def test_floats_are_only_judged() -> None:
    """Where no scales are taken, all texts judge; without any nothing is measured."""
    assert 200 == len(divide(numbered(200), None, calibrates=False).judging)
    assert 0 == len(divide([], None, calibrates=False).judging)


def test_many_labelled_texts() -> None:
    """More than are needed are not scored."""
    texts = divide([], labelled(numbered(5000)), calibrates=False)

    assert MOST_TO_JUDGE == len(texts.judging)


@pytest.mark.parametrize(
    ("unlabelled", "judges", "calibrates", "message"),
    [
        (149, None, True, "int8 needs at least 150 different texts in --calibration, there are 149"),
        (49, 500, True, "int8 needs at least 50 different texts in --calibration, there are 49"),
        (50, 60, True, "agreement needs at least 100 texts that nothing is calibrated on, there are 10"),
        (99, None, False, "agreement needs at least 100 texts"),
    ],
)
def test_too_few(unlabelled: int, judges: int | None, calibrates: bool, message: str) -> None:
    """Too few texts for scales, or for figures that mean something, are refused with the number needed."""
    given = labelled(numbered(judges)) if judges is not None else None

    with pytest.raises(DataError, match=message):
        divide(numbered(unlabelled), given, calibrates=calibrates)


def test_targets(tmp_path: Path) -> None:
    """A new or empty folder will do; nothing that is there is written over."""
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("")

    check_target(tmp_path / "new" / "one")
    check_target(tmp_path / "empty")
    with pytest.raises(DataError, match="is a file"):
        check_target(tmp_path / "file")
    with pytest.raises(DataError, match="the folder is not empty"):
        check_target(tmp_path)
