"""What a small model can learn from a large one: the teacher's probabilities, also on texts that nobody labelled.

Soft targets carry which labels are nearly right (Hinton et al. 2015); texts spliced from two others give the teacher
more to say (as in Jiao et al. 2020, who replace words).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from worker.learning.bases import Classifier
from worker.learning.datasets import LabelledTexts
from worker.learning.fitting import score
from worker.learning.temperature import probabilities


@dataclass(frozen=True, kw_only=True)
class Distillation:
    """Learn from `teacher`: a labelled text's target is its label and the teacher's answer, the latter weighing
    `teacher_share`; `spliced` further texts carry the teacher's answer alone."""

    teacher: str
    teacher_share: float = 0.7
    spliced: int = 0


def with_teacher(
    data: LabelledTexts, teacher: Classifier, options: Distillation, *, seed: int
) -> tuple[list[str], NDArray[np.float32]]:
    """Texts to train on and their soft targets, float32 [texts, labels]."""
    texts = [*data.texts, *spliced(data.texts, options.spliced, seed=seed)]
    logits = score(teacher.model, teacher.encode(texts), pad_id=teacher.pad_id, precision="auto")
    targets = probabilities(logits.astype(np.float64), multi_label=data.multi_label).astype(np.float32)
    share = options.teacher_share
    targets[: len(data)] = (1 - share) * data.targets() + share * targets[: len(data)]
    return texts, targets


def spliced(texts: Sequence[str], count: int, *, seed: int) -> list[str]:
    """`count` new texts, each the beginning of one text and the end of another, cut between words."""
    rng = np.random.default_rng(seed)
    pairs = rng.integers(0, len(texts), size=(count, 2))
    cuts = rng.uniform(0.3, 0.7, size=(count, 2))
    results = []
    for (first, last), (first_cut, last_cut) in zip(pairs, cuts, strict=True):
        beginning, end = texts[first].split(), texts[last].split()
        kept = beginning[: max(1, round(len(beginning) * first_cut))]
        results.append(" ".join(kept + end[round(len(end) * last_cut) :]))
    return results
