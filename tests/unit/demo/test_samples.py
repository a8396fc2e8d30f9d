"""The samples that the demo shows, and how they are laid out."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.demo.events import dead, enriched
from worker.demo.samples import Samples, laid_out, shortened
from worker.errors import DeadReason
from worker.records import Destination

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


def test_samples_are_as_different_as_the_run_has_them() -> None:
    """Other reasons before repeats of one."""
    run = [dead((0, n)) for n in range(5)] + [dead((0, 9), reason=DeadReason.EMPTY_TEXT)]
    samples = Samples(3)

    passed = list(samples.watching(run))

    assert run == passed
    assert [(0, 0), (0, 9), (0, 1)] == [each.source for each in samples.of(Destination.DEAD_LETTER)]


def test_few_outcomes_are_all_shown() -> None:
    """Fewer than three, or none."""
    samples = Samples(3)

    list(samples.watching([enriched((0, 0))]))

    assert len(samples.of(Destination.OUTPUT)) == 1
    assert samples.of(Destination.REVIEW) == []


@given(value=JSON, width=st.integers(min_value=1, max_value=120))
def test_the_layout_changes_nothing(value: Any, width: int) -> None:
    """What is shown is the JSON that was there."""
    assert value == json.loads(laid_out(value, width=width))


def test_what_fits_stands_on_one_line() -> None:
    """Short members stay flat, plain ones share lines, others get a line each."""
    value = {"labels": ["joy"], "scores": {"joy": 0.5, "fear": 0.25, "anger": 0.25}, "n": [1, [2]]}

    laid = laid_out(value, width=30)

    assert laid.splitlines() == [
        "{",
        '  "labels": ["joy"],',
        '  "scores": {',
        '    "joy": 0.5, "fear": 0.25,',
        '    "anger": 0.25',
        "  },",
        '  "n": [1, [2]]',
        "}",
    ]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, "null"),
        (b"caf\xe9", r"b'caf\xe9'"),
        (b"x" * 60, repr(b"x" * 60)),
        (b"x" * 4096, f"{b'x' * 60!r}… (4,096 bytes)"),
    ],
)
def test_bytes_are_shown_shortly(value: bytes | None, expected: str) -> None:
    """As Python writes them, and no more than a line."""
    assert expected == shortened(value)
