"""What the demo sends: texts from the file that ships with it; one message in a hundred is bad.

Pure but for reading that file; the same count gives the same messages.
"""

from __future__ import annotations

import gzip
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count as counter
from itertools import cycle, islice
from pathlib import Path

import orjson

from schemas.dead_reasons import DeadReason

TEXTS = Path(__file__).with_name("texts.jsonl.gz")
BLOCK = 100
"""One bad message in each block of so many, at a seeded place."""
SEED = 20
USERS = 97
MAX_VALUE_BYTES = 4096
"""What the demo sets `input.max_value_bytes` to, so that a message can be too large without filling the broker."""


@dataclass(frozen=True, slots=True)
class Message:
    """A record to be sent. `reason`: why the worker must dead-letter it; None when it must get an event."""

    key: bytes
    value: bytes | None
    reason: DeadReason | None = None


def _object(number: int, **fields: object) -> bytes:
    return orjson.dumps({"id": number, **fields})


BAD: tuple[tuple[DeadReason, Callable[[int], bytes | None]], ...] = (
    (DeadReason.INVALID_JSON, lambda number: _object(number, text="The connection was lost while")[:-2]),
    (DeadReason.INVALID_ENCODING, lambda number: b'{"id": %d, "text": "Ol\xe1, a Latin-1 caf\xe9"}' % number),
    (DeadReason.MISSING_TEXT, lambda number: _object(number, comment="The text is not where it should be.")),
    (DeadReason.NULL_VALUE, lambda _number: None),
    (DeadReason.EMPTY_TEXT, lambda number: _object(number, text=" ")),
    (DeadReason.NOT_A_STRING, lambda number: _object(number, text=42)),
    (DeadReason.TOO_LARGE, lambda number: _object(number, text="on and on " * (MAX_VALUE_BYTES // 10))),
    (DeadReason.INVALID_JSON, lambda number: b'{"id": %d, "text": "half an emoji \\ud83d"}' % number),
)
"""Ways to be bad, in the order in which they are taken: the reason, and the value made from the message's number."""


def texts(path: Path = TEXTS) -> list[str]:
    """The texts of the file, in its order."""
    with gzip.open(path) as lines:
        return [orjson.loads(line)["text"] for line in lines]


def messages(count: int) -> list[Message]:
    """That many messages, numbered from 1; texts repeat, under new numbers, when there are not enough."""
    bad_places = dict(zip(_bad_places(count), cycle(BAD)))
    good = cycle(texts())
    sent = []
    for number in range(1, count + 1):
        key = b"user-%d" % (number * 31 % USERS)
        if number in bad_places:
            reason, value = bad_places[number]
            sent.append(Message(key, value(number), reason))
        else:
            sent.append(Message(key, _object(number, text=next(good))))
    return sent


def _bad_places(count: int) -> Iterator[int]:
    """A number in each block of a hundred; of the last, cut off one perhaps none."""
    chance = random.Random(SEED)  # noqa: S311 - reproducible, not secret
    places = (block * BLOCK + chance.randint(1, BLOCK) for block in islice(counter(), -(-count // BLOCK)))
    return (place for place in places if place <= count)
