"""Contenders as processes: what they took, turns, and failures that cost one line and not the run."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from tests.benchmarks.processes import GIVE_UP_AFTER, Contender, ContenderFailed, attempt, named

ECHO = "import sys\nprint('{\"ready\": 1}', flush=True)\nfor line in sys.stdin: print(line, end='', flush=True)"


def test_what_a_process_took_is_known_at_its_end(tmp_path: Path) -> None:
    """CPU seconds and the peak of its memory, here of 64 MiB and more."""
    command = (sys.executable, "-c", f"big = b'x' * 2**26\n{ECHO}")
    with Contender(command, log=tmp_path / "log", answers=True) as contender:
        contender.turn()
        taken = contender.end()

    assert taken.cpu_s > 0
    assert taken.peak_mib > 64


def test_a_contender_that_stays_takes_turns(tmp_path: Path) -> None:
    """Ready once, then an answer for each wish."""
    with Contender((sys.executable, "-c", ECHO), log=tmp_path / "log", answers=True) as contender:
        turns = [contender.turn(), contender.turn(count=1), contender.turn(count=2)]

    assert [{"ready": 1}, {"count": 1}, {"count": 2}] == turns


def test_a_contender_that_ends_says_why(tmp_path: Path) -> None:
    """By the last line that it wrote."""
    code = "raise SystemExit('no such model')"
    with (
        Contender((sys.executable, "-c", code), log=tmp_path / "log", answers=True) as contender,
        pytest.raises(ContenderFailed, match="no such model"),
    ):
        contender.turn()


def test_a_failed_round_is_kept_and_the_next_one_counts() -> None:
    """It stands beside the name."""
    found: dict[str, Any] = {"rounds": []}

    def fails() -> dict[str, Any]:
        raise ContenderFailed("once")

    told = [attempt(found, fails), attempt(found, lambda: {"per_s": 7.0})]

    assert ["failed: once", "per_s 7"] == told
    assert ([{"per_s": 7.0}], "it (one round failed: once)") == (found["rounds"], named("it", found))


def test_a_contender_that_keeps_failing_is_left_alone() -> None:
    """It would cost its patience in every round."""
    found: dict[str, Any] = {"rounds": [], "failures": ["no"] * GIVE_UP_AFTER}

    assert "left alone" == attempt(found, lambda: {"per_s": 7.0})
    assert [] == found["rounds"]
