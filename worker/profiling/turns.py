"""Several engines over the same texts, by turns, so that a machine that slows down slows all of them down."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle
from statistics import median
from typing import Final, Protocol

from worker.clock import Clock
from worker.errors import RecordError
from worker.ports import Classifier
from worker.profiling.agreement import Agreement
from worker.profiling.settings import Setting
from worker.records import Encoded

WAVE: Final = 512
TURNS: Final = 3

Waves = Sequence[Sequence[str]]


class Profiled(Classifier, Protocol):
    """An engine that can be measured (`worker.inference.engine.Engine`)."""

    @property
    def max_batch_tokens(self) -> int:
        """The padded-token budget of one forward pass now."""
        ...


@dataclass(frozen=True, slots=True)
class Turn:
    """What one engine did in one turn. Tokens are those of its forward passes."""

    texts: int
    seconds: float
    real_tokens: int
    padded_tokens: int

    @property
    def rate(self) -> float:
        """Texts per second."""
        return self.texts / self.seconds


@dataclass(frozen=True, slots=True)
class Measurement:
    """One setting after all of its turns. `budget`: padded tokens of one forward pass, as set or as probed.

    `agreement`: with the reference; None where there is none, or where this is it.
    """

    setting: Setting
    budget: int
    turns: tuple[Turn, ...]
    agreement: Agreement | None = None

    @property
    def rate(self) -> float:
        """Texts per second, the median of the turns."""
        return median(turn.rate for turn in self.turns)

    @property
    def slowest(self) -> float:
        return min(turn.rate for turn in self.turns)

    @property
    def fastest(self) -> float:
        return max(turn.rate for turn in self.turns)

    @property
    def spread(self) -> float:
        """How far the turns lie apart, as a share of the median."""
        return (self.fastest - self.slowest) / self.rate

    @property
    def padding_ratio(self) -> float:
        """Padded over real tokens: 1 is no padding."""
        return sum(turn.padded_tokens for turn in self.turns) / max(1, sum(turn.real_tokens for turn in self.turns))

    @property
    def tokens_per_text(self) -> float:
        return sum(turn.real_tokens for turn in self.turns) / max(1, sum(turn.texts for turn in self.turns))


def waves_of(texts: Sequence[str]) -> Waves:
    """The texts in waves as the worker gathers them; the last one, if it is not full, only where it is the only one."""
    waves = [texts[start : start + WAVE] for start in range(0, len(texts), WAVE)]
    return waves if len(waves) == 1 else [wave for wave in waves if len(wave) == WAVE]


def run_turn(engine: Classifier, waves: Waves, *, seconds: float, clock: Clock) -> Turn:
    """Whole waves, encoded and predicted one after the other, for about `seconds`; at least one."""
    started = clock.monotonic()
    texts = real = padded = 0
    for wave in cycle(waves):
        stats = engine.predict(readable(engine.encode(wave))).stats
        texts += len(wave)
        real += stats.real_tokens
        padded += stats.padded_tokens
        elapsed = clock.monotonic() - started
        if elapsed >= seconds:
            break
    return Turn(texts, elapsed, real, padded)


def readable(encoded: Sequence[Encoded | RecordError]) -> list[Encoded]:
    """Those that the tokenizer took."""
    return [each for each in encoded if not isinstance(each, RecordError)]


def take_turns(
    engines: Sequence[Classifier],
    waves: Waves,
    *,
    seconds: float,
    clock: Clock,
    begun: Callable[[int, int], None],
    turns: int = TURNS,
) -> list[tuple[Turn, ...]]:
    """All turns of each engine; each is first in one round in so many. `begun`: told an engine and how many turns
    are done."""
    taken: list[list[Turn]] = [[] for _ in engines]
    for done, which in enumerate(_order(len(engines), turns)):
        begun(which, done)
        taken[which].append(run_turn(engines[which], waves, seconds=seconds, clock=clock))
    return [tuple(each) for each in taken]


def _order(count: int, rounds: int) -> Iterator[int]:
    for turn in range(rounds):
        yield from ((turn + place) % count for place in range(count))
