"""What `emostream bench` shows: a profile as tables, the settings that follow from it, and how far to trust it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from worker.profiling.choice import is_safe
from worker.profiling.document import Subject, estimated_worker_rate, settings_yaml
from worker.profiling.turns import TURNS, WAVE, Measurement

if TYPE_CHECKING:
    from worker.profiling.profile import Profile

NOISY = 0.1


def show(profile: Profile, subject: Subject, *, written: Path | None) -> None:
    """Everything on standard output; `written`: where the settings were put, if somewhere."""
    console = Console()
    machine = subject.machine
    console.print(f"{subject.model} on {machine.words}", highlight=False, markup=False)
    console.print(_engines(profile))
    for line in _skipped(profile):
        console.print(line, highlight=False, markup=False)
    console.print(_sweep(profile))
    for note in _notes(profile, subject):
        console.print(f"Note: {note}", highlight=False, markup=False)
    rate = estimated_worker_rate(profile, machine)
    words = f"One worker on this machine: about {rate:,.0f} records/s, Kafka client included (estimated)."
    console.print(f"\n{words}\n", highlight=False, markup=False)
    console.print("Recommended" + (f", written to {written}:" if written else ":"), highlight=False, markup=False)
    console.print(settings_yaml(profile, subject), highlight=False, markup=False, soft_wrap=True, end="")


def _engines(profile: Profile) -> Table:
    first = profile.engines[0]
    title = f"{profile.texts:,} texts of {first.tokens_per_text:.1f} tokens, in waves of {min(WAVE, profile.texts)}"
    table = Table("engine", title=title, title_justify="left")
    for column in ("texts/s", "min-max", "padding", "p differs by", "same label"):
        table.add_column(column, justify="right")
    for each in sorted(profile.engines, key=lambda each: each.rate, reverse=True):
        table.add_row(
            each.setting.engine, f"{each.rate:,.0f}", _range(each), f"{each.padding_ratio:.3f}", *_agreed(profile, each)
        )
    return table


def _agreed(profile: Profile, each: Measurement) -> tuple[str, str]:
    if each.agreement is None:
        return ("reference" if each.setting == profile.reference else "-", "")
    return f"{each.agreement.largest_difference:.5f}", f"{each.agreement.same_label:.1%}"


def _sweep(profile: Profile) -> Table:
    engine = profile.workers[0].setting.engine
    table = Table("inference", "value", title=f"{engine}, other settings", title_justify="left")
    for column in ("texts/s", "min-max", "padding"):
        table.add_column(column, justify="right")
    for name, rows in (("workers", profile.workers), ("max_batch_tokens", profile.budgets)):
        for place, each in enumerate(rows):
            shown = (f"{each.rate:,.0f}", _range(each), f"{each.padding_ratio:.3f}")
            table.add_row("" if place else name, _value(name, each), *shown)
        table.add_section()
    return table


def _value(name: str, each: Measurement) -> str:
    value = each.setting.workers if name == "workers" else each.setting.max_batch_tokens
    if value is not None:
        return str(value)
    return "auto" if name == "workers" else f"auto ({each.budget})"


def _range(each: Measurement) -> str:
    return f"{each.slowest:,.0f}-{each.fastest:,.0f}"


def _skipped(profile: Profile) -> Iterator[str]:
    """One line for each reason."""
    reasons: dict[str, list[str]] = {}
    for each in profile.skipped:
        reasons.setdefault(each.reason, []).append(each.setting.engine)
    for reason, engines in reasons.items():
        yield f"Skipped {', '.join(engines)}: {reason}"


def _notes(profile: Profile, subject: Subject) -> Iterator[str]:
    rows: Sequence[Measurement] = (*profile.engines, *profile.workers, *profile.budgets)
    spread = max(each.spread for each in rows)
    yield (
        f"medians of {TURNS} turns, the engines one after the other in each; the turns of one setting lie up to "
        f"{spread:.0%} apart, so smaller differences mean nothing."
    )
    if subject.machine.busy:
        yield f"others were at work when it began (load {subject.machine.load:.1f}): repeat it on a quiet machine."
    elif spread > NOISY:
        yield "that is a lot: repeat it on a quiet machine, or with more --seconds."
    if profile.reference is None:
        yield (
            "nothing here runs this model in float32, so what its precision changes is not known from this: see what "
            "`emostream export` wrote beside the model."
        )
    fastest = max(profile.engines, key=lambda each: each.rate)
    if not is_safe(fastest) and fastest.setting != profile.recommended.setting:
        faster = fastest.rate / profile.workers[0].rate
        yield (
            f"{fastest.setting.engine} would be {faster:.1f} times as fast, but moves probabilities: calibrate a "
            "policy with it before you use it."
        )
