"""One threshold by the method that was wished, or the refusal that says what would be possible instead.

`confidence` float64 [n] has no number where a text is never accepted; `loss` float64 [n] is how wrong each answer is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from worker.errors import ConfigError, PolicyError
from worker.learning.choices import Method
from worker.learning.guarantees import (
    EASIER_TARGETS,
    METHODS,
    Candidates,
    Promise,
    Refusal,
    Selected,
    examples_needed,
    is_binary,
    p_values,
    risk_bound,
    within_budget,
)
from worker.learning.wishes import CHOOSERS, Wishes

Numbers = NDArray[np.float64]
Found = TypeVar("Found")

NAMES = {
    Method.LTT: "ltt_fixed_sequence",
    Method.SGR: "sgr",
    Method.EMPIRICAL: "empirical",
    Method.BUDGET: "budget",
    Method.FIXED: "fixed_threshold",
}
"""What policies call the methods."""


class Unsupported(PolicyError):
    """The data cannot support the target; `refusal` says what they can."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(str(refusal))
        self.refusal = refusal


def promise_of(wishes: Wishes) -> Promise:
    """What is to be promised. Raises ConfigError when nothing is."""
    if wishes.promise is None:
        raise ConfigError("--target-risk: say which risk is to be kept")
    return wishes.promise


def proven(
    solve: Callable[[Promise], Found | None],
    wishes: Wishes,
    *,
    coverage: Callable[[Found], float],
    examples: Callable[[], int | None],
    targets: Sequence[float] = EASIER_TARGETS,
) -> Found:
    """What `solve` finds for the promise. Raises Unsupported with the coverage at those easier `targets` it can keep,
    and about how many `examples` the promise needs."""
    promise = promise_of(wishes)
    found = solve(promise)
    if found is not None:
        return found
    tried = [(risk, solve(replace(promise, target_risk=risk))) for risk in targets if risk > promise.target_risk]
    easier = tuple((risk, coverage(other)) for risk, other in tried if other is not None)
    raise Unsupported(Refusal(promise, easier, examples()))


def one_threshold(confidence: Numbers, loss: Numbers, wishes: Wishes) -> Selected:
    """The threshold, and what it does to all n texts. Raises Unsupported when a promise cannot be kept, PolicyError
    when a budget cannot."""
    if wishes.method not in CHOOSERS:
        return _given(confidence, loss, wishes)
    known = ~np.isnan(confidence)
    sure, wrong, size = confidence[known], loss[known], len(confidence)
    select = METHODS[NAMES[wishes.method]]
    chosen = proven(
        lambda promise: select(sure, wrong, promise),
        wishes,
        coverage=lambda each: each.accepted / size,
        examples=lambda: in_all(examples_needed(Candidates.of(sure, wrong), promise_of(wishes)), len(sure), size),
    )
    return replace(chosen, size=size)


def in_all(examples: int | None, part: int, size: int) -> int | None:
    """How many texts there must be in all for `examples` of the kind of which there are `part` in `size`."""
    return None if examples is None or not part else int(np.ceil(examples * size / part))


def _given(confidence: Numbers, loss: Numbers, wishes: Wishes) -> Selected:
    """A threshold that no answer had a say in: what was promised is tested once, at the whole level."""
    level = _within(confidence, wishes) if wishes.method is Method.BUDGET else float(wishes.threshold or 0.0)
    kept = confidence >= level
    accepted, total, binary = int(kept.sum()), float(loss[kept].sum()), is_binary(loss)
    delta = 1.0 - wishes.confidence
    risk = total / accepted if accepted else 0.0
    bound = risk_bound(total, accepted, delta=delta, binary=binary) if accepted else 1.0
    promise = wishes.promise
    if promise is not None and not _holds(total, accepted, promise, binary=binary):
        known = ~np.isnan(confidence)
        more = examples_needed(Candidates.of(confidence[kept], loss[kept]), promise) if accepted else None
        targets = [target for target in EASIER_TARGETS if target > promise.target_risk]
        easier = [
            (target, accepted / len(confidence))
            for target in targets
            if _holds(total, accepted, replace(promise, target_risk=target), binary=binary)
        ]
        raise Unsupported(Refusal(promise, tuple(easier), in_all(more, int(known.sum()), len(confidence))))
    return Selected(level, accepted, len(confidence), risk, bound)


def _holds(total: float, accepted: int, promise: Promise, *, binary: bool) -> bool:
    if not accepted:
        return False
    p = p_values(np.array([total]), np.array([accepted]), promise.target_risk, binary=binary)
    return bool(p[0] <= promise.delta)


def _within(confidence: Numbers, wishes: Wishes) -> float:
    share = wishes.review_share or 0.0
    level = within_budget(confidence, share, confidence=wishes.confidence)
    if level is None:
        raise PolicyError(
            f"reviewing at most {share:g} of the texts cannot be promised with confidence {wishes.confidence:g} by "
            f"{len(confidence)} examples: give more, or raise --review-share"
        )
    if not np.isfinite(level):
        raise PolicyError(
            f"the other rules alone send more than {share:g} of the texts to review: raise --review-share, or drop one"
        )
    return level
