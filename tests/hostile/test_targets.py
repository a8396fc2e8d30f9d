"""Whatever bytes come, there is an outcome or one clear line; the quick part of `make fuzz`."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.hostile.targets import TARGETS

TRIES = 40

JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.sampled_from(["\ud800", "\0"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
PIECES: tuple[bytes, ...] = (
    *(b"[" * 1_000, b'{"a":' * 1_000, b"9" * 5_000, b"1e400", b"NaN", b"-", b'"', b"true", b"null", b"{}"),
    *(b"\xff\xfe", b"\0", b"\\ud800", b"\n\n", "é\u202e\x1b[2J".encode()),
    *(b'{"0": "a", "0": "b"}', b"&a [*a]", b"!!python/object:os.x"),
)


@st.composite
def mutated(draw: st.DrawFn, seeds: tuple[bytes, ...]) -> bytes:
    """A seed with pieces cut out, put in or repeated."""
    data = draw(st.sampled_from(seeds))
    for _ in range(draw(st.integers(1, 3))):
        start = draw(st.integers(0, len(data)))
        end = min(len(data), start + draw(st.integers(0, 12)))
        data = (
            data[:start]
            + draw(st.sampled_from(PIECES) | st.binary(max_size=8) | st.just(data[start:end] * 2))
            + data[end:]
        )
    return data


@pytest.mark.parametrize("name", TARGETS)
def test_damaged_input_has_its_outcome_or_its_line(name: str) -> None:
    """Seeds with pieces cut out and put in."""

    @settings(max_examples=TRIES)
    @given(data=mutated(TARGETS[name].seeds))
    def holds(data: bytes) -> None:
        TARGETS[name].run(data)

    holds()


@pytest.mark.parametrize("name", [name for name, target in TARGETS.items() if target.seeds[0].lstrip()[:1] == b"{"])
def test_any_value_anywhere(name: str) -> None:
    """A well-formed document of which some value is of another kind."""

    @settings(max_examples=TRIES)
    @given(value=JSON_VALUES, seed=st.integers(0, 10_000))
    def holds(value: object, seed: int) -> None:
        document = json.loads(TARGETS[name].seeds[0])
        TARGETS[name].run(json.dumps(replaced(document, value, random.Random(seed))).encode())

    holds()


def replaced(document: Any, value: object, dice: random.Random) -> object:
    """The document with the value somewhere in it."""
    if not isinstance(document, dict | list) or not document or dice.random() < 0.2:
        return value
    if isinstance(document, list):
        place = dice.randrange(len(document))
        return [replaced(each, value, dice) if n == place else each for n, each in enumerate(document)]
    chosen = dice.choice(sorted(document))
    return {key: replaced(each, value, dice) if key == chosen else each for key, each in document.items()}


@pytest.mark.parametrize("name", TARGETS)
def test_the_seeds_get_far(name: str) -> None:
    """Every target takes its own seeds."""
    for seed in TARGETS[name].seeds:
        TARGETS[name].run(seed)


@pytest.mark.parametrize("name", ["json record", "text record", "cloudevent record", "dead letter"])
def test_ten_thousand_headers(name: str) -> None:
    """Repeated, empty, without a value, with names that are not UTF-8, or one of ours: the record has its outcome."""
    kinds = [b"trace: %d", b"\xff\xfe%d: \xff", b"null%d", b"emostream-error-stage: decode%d", b"ce_id: %d", b": %d"]
    headers = b"\n".join(kinds[number % len(kinds)] % number for number in range(10_000))

    TARGETS[name].run(headers + b'\n\n{"text": "so happy"}')
