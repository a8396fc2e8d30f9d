"""What `calibrate` says on standard output: the promise and what it rests on, or what the data can support instead."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from worker.decision.explanation import explain, percent

if TYPE_CHECKING:
    from worker.learning.calibrate import Calibrated
    from worker.learning.guarantees import Refusal

SHOWN_TARGETS = 8


def show_calibrated(made: Calibrated, *, policy_file: str) -> None:
    """The promise in a sentence, then tables."""
    console = Console()
    explanation = explain(made.policy)
    console.print(f"{policy_file}: {explanation.promise}", markup=False, highlight=False, soft_wrap=True)
    console.print(_found(made))
    console.print(_honesty(made))
    console.print(_labels(made))
    for remark in made.remarks:
        console.print(f"- {remark}", markup=False, highlight=False, soft_wrap=True)


def show_refusal(refusal: Refusal) -> None:
    """What these examples can support: the best attainable risk, coverage at easier targets, examples needed."""
    table = Table("risk", "coverage")
    gains = [each for place, each in enumerate(refusal.easier) if not place or each[1] > refusal.easier[place - 1][1]]
    step = max(1, -(-len(gains) // SHOWN_TARGETS))
    for risk, coverage in gains[::step]:
        table.add_row(percent(risk), percent(coverage))
    if not refusal.easier:
        table.add_row("none", "")
    console = Console()
    console.print("what these examples can support:", highlight=False)
    console.print(table)
    needed = "more examples would hardly help" if refusal.examples is None else f"about {refusal.examples:,}"
    console.print(f"labelled examples needed for {percent(refusal.promise.target_risk)}: {needed}", highlight=False)


def _found(made: Calibrated) -> Table:
    chosen, proof = made.chosen, len(made.after.accepted)
    table = Table(show_header=False, title="On the examples", title_justify="left")
    fitted = f", and {made.fitted:,} that set the scores" if made.fitted else ""
    table.add_row("labelled examples", f"{proof:,} that prove{fitted}")
    table.add_row("bounded", f"{chosen.bounded} by {chosen.method}")
    table.add_row("coverage", percent(made.coverage))
    table.add_row("risk among accepted", f"{chosen.risk:.2%}, at most {min(1.0, chosen.bound):.2%}")
    areas = ", ".join(f"{name} {1000 * area:.2f}" for name, area in chosen.score_areas.items())
    compared = f" (AURC x1000: {areas})" if len(chosen.score_areas) > 1 else ""
    table.add_row("confidence is", f"{made.policy.rule.score or 'max_probability'}{compared}")
    if made.policy.temperature != 1.0:
        table.add_row("temperature", f"{made.policy.temperature:.4f}")
    return table


def _honesty(made: Calibrated) -> Table:
    table = Table("", "before", "after", title="Honesty of the scores", title_justify="left")
    for name, key in (("ECE", "ece"), ("classwise ECE", "classwise_ece"), ("Brier", "brier"), ("NLL", "nll")):
        values = (getattr(quality, key) for quality in (made.quality_before, made.quality_after))
        table.add_row(name, *(f"{value:.4f}" for value in values))
    return table


def _labels(made: Calibrated) -> Table:
    """For each answer its threshold, how many accepted texts got it, and how many of those wrongly."""
    kept = made.after.kept()
    given = kept.answers.sum(axis=0).tolist()
    wrong = (kept.answers & ~kept.truth).sum(axis=0).tolist()
    true = made.after.truth.sum(axis=0).tolist()
    bounds = made.chosen.label_bounds
    table = Table(
        "label",
        "from",
        "accepted",
        "wrong",
        *(("at most",) if bounds else ()),
        "truly",
        title="Labels",
        title_justify="left",
    )
    for place, (name, threshold) in enumerate(made.thresholds.items()):
        share = percent(wrong[place] / given[place]) if given[place] else "-"
        bound = ((percent(bounds[name]) if name in bounds else "-"),) if bounds else ()
        level = "never" if threshold is None else f"{threshold:.4f}"
        table.add_row(name, level, str(given[place]), share, *bound, str(true[place]))
    return table
