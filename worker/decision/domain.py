"""Texts that the model should not be asked about: too short, unlike its training texts, or cut.

Token surprise needs no model: a text whose tokens are rare in the training texts is foreign to it. The probabilities
would not tell: a model with a neutral class is surest of what it has never seen.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from schemas.policy import TextRules
from schemas.review import Reason
from worker.decision.evidence import Evidence
from worker.decision.reasons import Marks, mark
from worker.errors import PolicyError

SURPRISE_FILE = "surprise.npz"


@dataclass(frozen=True)
class SurpriseTable:
    """How surprising each token is: `surprise` float32 [vocabulary], -ln of the share of training texts that hold it.

    `content` bool [vocabulary]: tokens with a letter or digit. `mean` and `spread` are those of a content token over
    the training texts. `quantiles` says which z is exceeded by which share of held-back texts of the domain.
    `fingerprint`: `sha256:…` of the file it was read from.
    """

    surprise: NDArray[np.float32]
    content: NDArray[np.bool_]
    mean: float
    spread: float
    quantiles: dict[float, float]
    fingerprint: str = ""

    def judge(self, ids: list[NDArray[np.int32]]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """z [texts] and the number of content tokens [texts]; z is 0 without any.

        z = (mean surprise of the content tokens - mean) * sqrt(tokens) / spread: long texts must deviate less to be
        as surprising. Ids beyond the table count as its most surprising token.
        """
        lengths = np.array([len(text) for text in ids])
        known = np.minimum(np.concatenate(ids), len(self.surprise) - 1)
        starts = np.concatenate(([0], np.cumsum(lengths)[:-1]))
        content = self.content[known]
        count = np.add.reduceat(content, starts, dtype=np.int64)
        total = np.add.reduceat(self.surprise[known] * content, starts, dtype=np.float64)
        safe = np.maximum(count, 1)
        return np.where(count > 0, (total / safe - self.mean) * np.sqrt(safe) / self.spread, 0.0), count

    def save(self, folder: Path) -> None:
        """Write the table beside the model (half precision: a few tens of kilobytes)."""
        rates = np.array(sorted(self.quantiles), dtype=np.float64)
        content = io.BytesIO()
        np.savez_compressed(
            content,
            surprise=self.surprise.astype(np.float16),
            content=np.packbits(self.content),
            moments=np.array([self.mean, self.spread]),
            rates=rates,
            quantiles=np.array([self.quantiles[rate] for rate in rates.tolist()], dtype=np.float64),
        )
        (folder / SURPRISE_FILE).write_bytes(content.getvalue())


def load_surprise(path: Path) -> SurpriseTable:
    """The table that training stored beside the model. Raises PolicyError when it cannot be read."""
    try:
        content = path.read_bytes()
        with np.load(io.BytesIO(content), allow_pickle=False) as stored:
            surprise = stored["surprise"].astype(np.float32)
            mean, spread = stored["moments"].tolist()
            return SurpriseTable(
                surprise=surprise,
                content=np.unpackbits(stored["content"], count=len(surprise)).astype(np.bool_),
                mean=mean,
                spread=spread,
                quantiles=dict(zip(stored["rates"].tolist(), stored["quantiles"].tolist(), strict=True)),
                fingerprint=f"sha256:{sha256(content).hexdigest()}",
            )
    except Exception as error:  # of a damaged archive numpy, zipfile and zlib raise anything
        raise PolicyError(
            f"{path}: no table of token surprise: train the model again, or drop the text rules"
        ) from error


class TextChecks:
    """Marks texts by their tokens, whatever the model says of them."""

    def __init__(self, rules: TextRules, table: SurpriseTable | None) -> None:
        if table is None and (rules.max_surprise is not None or rules.min_content_tokens is not None):
            raise PolicyError(
                f"the policy judges texts by their tokens, and the model has no {SURPRISE_FILE} beside it: train "
                "it again, or drop text.max_surprise and text.min_content_tokens"
            )
        if table is not None and rules.surprise_table not in (None, table.fingerprint):
            raise PolicyError(
                f"the policy was calibrated with another {SURPRISE_FILE} than the model has beside it: calibrate again"
            )
        self._rules = rules
        self._table = table if rules.max_surprise is not None or rules.min_content_tokens is not None else None

    def mark(self, marks: Marks, evidence: Evidence) -> None:
        """Add `too_short`, `out_of_domain` and `truncated` where they apply."""
        if self._rules.accept_truncated is False:
            mark(marks, evidence.truncated, Reason.TRUNCATED)
        if self._table is not None:
            surprise, content = self._table.judge(list(evidence.ids))
            mark_tokens(marks, self._rules, surprise=surprise, content=content)


def mark_tokens(marks: Marks, rules: TextRules, *, surprise: NDArray[np.float64], content: NDArray[np.int64]) -> None:
    """Add `too_short` and `out_of_domain` by what `SurpriseTable.judge` said of the texts. A text too short is not
    judged further."""
    short = content < (rules.min_content_tokens or 0)
    mark(marks, short, Reason.TOO_SHORT)
    if rules.max_surprise is not None:
        mark(marks, ~short & (surprise > rules.max_surprise), Reason.OUT_OF_DOMAIN)
