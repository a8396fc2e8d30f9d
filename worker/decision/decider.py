"""One wave's decisions: calibrate the scores, ask the rule, let the texts' own checks object."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from schemas.review import Reason
from worker.decision.calibration import Calibration, grouped
from worker.decision.domain import TextChecks
from worker.decision.drift import DriftState, DriftWatch
from worker.decision.evidence import Energy, Evidence, Scores
from worker.decision.reasons import mark
from worker.decision.rules import Rule, Verdicts
from worker.records import Decision


@dataclass(frozen=True, slots=True)
class Decided:
    """Decisions and calibrated scores [texts, labels] in the order of the wave; `drift` if the policy watches it."""

    decisions: Sequence[Decision]
    scores: Scores
    drift: DriftState | None = None


class Decider:
    """Stateless: the same evidence always gives the same decisions (drift is told, not remembered here)."""

    def __init__(
        self,
        rule: Rule,
        calibration: Calibration,
        *,
        groups: Sequence[NDArray[np.intp]] | None = None,
        text_checks: TextChecks | None = None,
    ) -> None:
        self.calibration = calibration
        self._rule = rule
        self._groups = groups
        self._text_checks = text_checks

    @property
    def threshold(self) -> float | None:
        """The one confidence below which texts abstain, if there is just one: stated in events."""
        return self._rule.threshold

    def decide(self, scores: Scores) -> list[Decision]:
        """By the model's scores [texts, labels] alone, where the tokens are not known: no check of the texts."""
        return self.verdicts(scores).decisions()

    def answer_scores(self, scores: Scores) -> Scores:
        """Calibrated probabilities [texts, answers] of what the rule chooses from: the labels, or their groups."""
        return self._in_groups(self.calibration.apply(scores))

    def verdicts(self, scores: Scores, energy: Energy | None = None) -> Verdicts:
        """What the rule says of the model's scores [texts, labels], in columns."""
        return self._rule.judge(self.answer_scores(scores), energy)

    def decide_wave(
        self,
        evidence: Evidence,
        *,
        watch: DriftWatch | None = None,
        fresh: Sequence[bool] | None = None,
        now: float = 0.0,
    ) -> Decided:
        """By all that is known.

        A `watch` sees the wave first, or those texts of it that are `fresh`; after its alarm the guarantee does not
        stand, and nothing is accepted if the policy says so (`guarantee_void`).
        """
        scores = self.calibration.apply(evidence.scores)
        verdicts = self._rule.judge(self._in_groups(scores), evidence.energy)
        if self._text_checks is not None:
            self._text_checks.mark(verdicts.marks, evidence)
        if watch is None:
            return Decided(verdicts.decisions(), scores)
        seen = np.ones(len(scores), dtype=np.bool_) if fresh is None else np.array(fresh, dtype=np.bool_)
        drift = watch.observe(np.nan_to_num(verdicts.confidence)[seen], scores.max(axis=1)[seen], now=now)
        if not watch.accepts:
            mark(verdicts.marks, np.ones(len(verdicts.marks), dtype=np.bool_), Reason.GUARANTEE_VOID)
        return Decided(verdicts.decisions(guarantee_stands=watch.stands), scores, drift)

    def _in_groups(self, scores: Scores) -> Scores:
        return scores if self._groups is None else grouped(scores, self._groups, self.calibration.task)
