"""The profile: which engines there are, how fast each is, and what other numbers of workers and budgets change.

Owns the order of the measuring and who is open when. Engines come from outside, so that nothing here knows how one is
loaded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Final

from worker.clock import Clock
from worker.errors import ModelError, RecordError
from worker.profiling.agreement import compare
from worker.profiling.choice import clearly_fastest, fastest_safe
from worker.profiling.remainder import seconds_beside_the_model
from worker.profiling.settings import ENGINES, Setting, of_budgets, of_workers
from worker.profiling.turns import TURNS, Measurement, Profiled, Waves, readable, take_turns, waves_of
from worker.records import Prediction

OpenEngine = Callable[[Setting], Profiled]
Progress = Callable[[str, float], None]
"""Told what is being done, and the share that is done."""

ENGINES_SHARE: Final = 0.5
WORKERS_SHARE: Final = 0.25


@dataclass(frozen=True, slots=True)
class Skipped:
    """A way of running the model that is not to be had here."""

    setting: Setting
    reason: str


@dataclass(frozen=True, slots=True)
class Profile:
    """All that was measured. `workers` and `budgets` are of the fastest engine, `auto` first; `reference` is what the
    others' probabilities are compared with. `remainder_s`: seconds of one CPU that a record costs beside the model and
    the Kafka client."""

    texts: int
    engines: tuple[Measurement, ...]
    skipped: tuple[Skipped, ...]
    reference: Setting | None
    workers: tuple[Measurement, ...]
    budgets: tuple[Measurement, ...]
    remainder_s: float

    @property
    def recommended(self) -> Measurement:
        """The setting to use: what is clearly faster than `auto`, else `auto`."""
        return clearly_fastest(self.budgets)


class Profiler:
    """Measures one model. `seconds`: of measuring in all, loading left out; a slow engine takes its wave's time."""

    def __init__(
        self,
        open_engine: OpenEngine,
        texts: Sequence[str],
        *,
        seconds: float,
        cpus: int,
        clock: Clock,
        progress: Progress,
    ) -> None:
        self._open_engine = open_engine
        self._texts = len(texts)
        self._waves: Waves = waves_of(texts)
        self._seconds = seconds
        self._cpus = cpus
        self._clock = clock
        self._progress = progress
        self._skipped: list[Skipped] = []

    def run(self) -> Profile:
        """Measure. Raises ModelError where no engine runs the model, EngineLost where one breaks."""
        engines, reference, remainder_s = self._engines()
        best = fastest_safe(engines).setting
        workers = self._sweep("workers", of_workers(best, cpus=self._cpus), begun_at=ENGINES_SHARE)
        chosen = clearly_fastest(workers).setting
        budgets = self._sweep("max_batch_tokens", of_budgets(chosen), begun_at=ENGINES_SHARE + WORKERS_SHARE)
        self._progress("done", 1.0)
        return Profile(self._texts, engines, tuple(self._skipped), reference, workers, budgets, remainder_s)

    def _engines(self) -> tuple[tuple[Measurement, ...], Setting | None, float]:
        with ExitStack() as opened:
            engines = self._open_all(ENGINES, opened, share=ENGINES_SHARE)
            if not engines:
                raise ModelError(self._skipped[0].reason)
            predictions = {setting: _predictions(engine, self._waves[0]) for setting, engine in engines.items()}
            remainder_s = seconds_beside_the_model(next(iter(engines.values())), self._waves[0], clock=self._clock)
            measured = self._turns(engines, begun_at=0.0, share=ENGINES_SHARE)
        reference = next((setting for setting in engines if setting.precision == "float32"), None)
        if reference is None:
            return measured, None, remainder_s
        return (
            tuple(
                each
                if each.setting == reference
                else replace(each, agreement=compare(predictions[reference], predictions[each.setting]))
                for each in measured
            ),
            reference,
            remainder_s,
        )

    def _sweep(self, name: str, settings: Sequence[Setting], *, begun_at: float) -> tuple[Measurement, ...]:
        self._progress(f"{settings[0].engine}, {name}", begun_at)
        with ExitStack() as opened:
            engines = self._open_all(settings, opened, share=0.0)
            for engine in engines.values():
                _predictions(engine, self._waves[0])
            return self._turns(engines, begun_at=begun_at, share=WORKERS_SHARE)

    def _open_all(self, settings: Iterable[Setting], opened: ExitStack, *, share: float) -> dict[Setting, Profiled]:
        """Those that there are, warm; why the others are not goes into the profile."""
        engines: dict[Setting, Profiled] = {}
        for setting in settings:
            if share:
                self._progress(f"loading {setting.engine}", 0.0)
            try:
                engine = self._open_engine(setting)
            except ModelError as error:
                self._skipped.append(Skipped(setting, _reason(error)))
                continue
            opened.callback(engine.close)
            engines[setting] = engine
        return engines

    def _turns(self, engines: dict[Setting, Profiled], *, begun_at: float, share: float) -> tuple[Measurement, ...]:
        settings = list(engines)
        count = len(settings) * TURNS
        taken = take_turns(
            list(engines.values()),
            self._waves,
            seconds=self._seconds * share / count,
            clock=self._clock,
            begun=lambda which, done: self._progress(_named(settings[which]), begun_at + share * done / count),
        )
        return tuple(
            Measurement(setting, engine.max_batch_tokens, turns)
            for (setting, engine), turns in zip(engines.items(), taken, strict=True)
        )


def _reason(error: ModelError) -> str:
    """What is wrong, without the file that is called so."""
    place, _, said = str(error).partition(": ")
    return said if said and "/" in place and " " not in place else str(error)


def _named(setting: Setting) -> str:
    extra = {"workers": setting.workers, "max_batch_tokens": setting.max_batch_tokens}
    return ", ".join([setting.engine, *(f"{name} {value}" for name, value in extra.items() if value)])


def _predictions(engine: Profiled, wave: Sequence[str]) -> Sequence[Prediction | RecordError]:
    """The first wave, which is not measured: whatever is allocated or compiled late is there after it."""
    return engine.predict(readable(engine.encode(wave))).results
