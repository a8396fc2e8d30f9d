from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.batching import BatchPolicy, CloseReason, Gathered, WaveBuilder
from worker.records import Encoded, Found, Membership, Record

MEMBERSHIP = Membership(generation=1, member_id="a", snapshot=None)


def gathered(offset: int, *, tokens: int = 5, partition: int = 0, at: float = 0.0) -> Gathered:
    record = Record("texts", partition, offset, 0, None, b"{}")
    return Gathered(record, Found("x", b"{}"), Encoded(np.zeros(tokens, np.int32), truncated=False), at)


def builder(*, max_messages: int = 4, max_tokens: int = 100, max_delay_s: float = 0.02) -> WaveBuilder:
    return WaveBuilder(BatchPolicy(max_messages, max_tokens, max_delay_s))


def test_nothing_is_due_without_records() -> None:
    """An empty builder closes nothing, not even when idle or draining."""
    empty = builder()

    assert empty.due(1e9, wanted=True, draining=True) is None
    assert empty.seconds_until_due(0.0) is None


@pytest.mark.parametrize(
    ("count", "tokens", "now", "wanted", "draining", "expected"),
    [
        (4, 5, 0.0, False, False, CloseReason.MESSAGES),
        (2, 50, 0.0, False, False, CloseReason.TOKENS),
        (1, 5, 0.02, False, False, CloseReason.DELAY),
        (1, 5, 0.0, True, False, CloseReason.IDLE),
        (1, 5, 0.0, False, True, CloseReason.DRAIN),
        (1, 5, 0.019, False, False, None),
        (4, 50, 9.0, True, True, CloseReason.MESSAGES),
    ],
)
def test_each_bound_closes_a_wave(
    *, count: int, tokens: int, now: float, wanted: bool, draining: bool, expected: CloseReason | None
) -> None:
    """A wave closes on messages, tokens, delay, an idle model or a drain, and the reason is the first that holds."""
    waiting = builder()
    waiting.add([gathered(offset, tokens=tokens) for offset in range(count)], MEMBERSHIP)

    assert expected == waiting.due(now, wanted=wanted, draining=draining)


def test_the_delay_runs_from_the_first_record() -> None:
    """An idle second before the first record does not shorten its wave."""
    waiting = builder(max_delay_s=0.02)
    waiting.add([gathered(0, at=5.0)], MEMBERSHIP)

    assert waiting.due(5.01, wanted=False, draining=False) is None
    assert waiting.seconds_until_due(5.01) == pytest.approx(0.01)


def test_a_record_over_the_token_bound_makes_a_wave_of_its_own() -> None:
    """One huge record is not stuck: it goes alone."""
    waiting = builder(max_tokens=10)
    waiting.add([gathered(0, tokens=50), gathered(1, tokens=3)], MEMBERSHIP)

    wave = waiting.close(CloseReason.TOKENS)

    assert [item.record.offset for item in wave.items] == [0]


def test_the_offsets_of_a_wave_are_the_next_ones_of_each_partition() -> None:
    """What is committed is where reading goes on."""
    waiting = builder()
    waiting.add([gathered(7, partition=1), gathered(3, partition=0), gathered(8, partition=1)], MEMBERSHIP)

    wave = waiting.close(CloseReason.DRAIN)

    assert wave.offsets == {("texts", 0): 4, ("texts", 1): 9}


def test_clear_forgets_the_membership_too() -> None:
    """Records polled after a rebalance carry the new generation."""
    renewed = Membership(generation=2, member_id="a", snapshot=None)
    waiting = builder()
    waiting.add([gathered(0)], MEMBERSHIP)

    waiting.clear()
    waiting.add([gathered(0)], renewed)

    assert waiting.close(CloseReason.DRAIN).membership is renewed


@given(
    tokens=st.lists(st.integers(0, 60), min_size=1, max_size=80),
    max_messages=st.integers(1, 20),
    max_tokens=st.integers(1, 100),
)
def test_waves_hold_their_bounds_and_lose_nothing(tokens: list[int], max_messages: int, max_tokens: int) -> None:
    """Whatever comes, waves keep both bounds (one record alone may exceed tokens), the order, and every record."""
    waiting = builder(max_messages=max_messages, max_tokens=max_tokens)
    waiting.add([gathered(offset, tokens=count) for offset, count in enumerate(tokens)], MEMBERSHIP)

    waves = []
    while (reason := waiting.due(0.0, wanted=True, draining=False)) is not None:
        waves.append(waiting.close(reason))

    assert [item.record.offset for wave in waves for item in wave.items] == list(range(len(tokens)))
    assert all(len(wave.items) <= max_messages for wave in waves)
    assert all(wave.tokens <= max_tokens or len(wave.items) == 1 for wave in waves)
