"""How far a model's probabilities may stand from float32's, how far they do, and the file that says so.

`agreement.json` stands beside the weights it was measured on and names them by their content: it says nothing of any
others. Figures and limits are pure; where the probabilities come from is the measurer's business.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from worker.errors import ModelError
from worker.inference.checkpoint import AGREEMENT_FILE
from worker.records import Task

ON: Final = 0.5
"""From here a label of a multi-label model counts as given, whatever a policy may say later."""


@dataclass(frozen=True, slots=True)
class Limit:
    """What a form must keep to: `p99` is the 99th percentile of the probability differences at most, `same_answer` the
    share of texts with the same answer at least."""

    p99: float
    same_answer: float


# Sound forms of trained models were measured well inside: bfloat16 p99 0.007 and 99.4 %, static int8 0.055 and 97.5 %.
# Quantized with one scale for a whole tensor, one of them came to 0.21 and 88 %.
LIMITS: Final[Mapping[str, Limit]] = {
    "float32": Limit(p99=1e-3, same_answer=0.995),
    "bfloat16": Limit(p99=0.03, same_answer=0.98),
    "int8": Limit(p99=0.1, same_answer=0.97),
}


class Agreement(BaseModel):
    """Probabilities of one form of a model against another's, over all labels of `texts` texts.

    `largest` and `p99` are of the absolute differences of single probabilities; `same_answer` is the share of texts
    with the same most likely label, or, with several labels, the same labels from 0.5 on.
    """

    model_config = ConfigDict(frozen=True, allow_inf_nan=False)

    texts: int = Field(ge=1)
    largest: float = Field(ge=0.0, le=1.0)
    p99: float = Field(ge=0.0, le=1.0)
    same_answer: float = Field(ge=0.0, le=1.0)

    @classmethod
    def between(
        cls, expected: NDArray[np.floating], actual: NDArray[np.floating], *, task: Task = Task.SINGLE_LABEL
    ) -> Agreement:
        """Compare probabilities [texts, labels] of the same texts."""
        difference = np.abs(expected.astype(np.float64) - actual.astype(np.float64))
        same = (answers(expected, task) == answers(actual, task)).all(axis=1)
        return cls(
            texts=len(expected),
            largest=float(difference.max()),
            p99=float(np.quantile(difference, 0.99)),
            same_answer=float(same.mean()),
        )

    def beyond(self, limit: Limit) -> str | None:
        """What the limit does not allow, in words; None if it is kept to."""
        if self.same_answer < limit.same_answer:
            return (
                f"{100 * (1 - self.same_answer):.1f} % of {self.texts} texts get another answer than in float32 "
                f"(at most {100 * (1 - limit.same_answer):.1f} % may)"
            )
        if self.p99 > limit.p99:
            return f"probabilities differ from float32's by {self.p99:.2g} at the 99th percentile (limit {limit.p99:g})"
        return None


class Form(BaseModel):
    """One form of a model: what its folder's content is, what ran it, and how often it was right, if that is known."""

    model_config = ConfigDict(frozen=True, allow_inf_nan=False)

    name: str
    revision: str
    backend: str
    precision: Literal["float32", "bfloat16", "float16", "int8"]
    accuracy: float | None = Field(default=None, ge=0.0, le=1.0)


class AgreementRecord(BaseModel):
    """What `agreement.json` holds. `texts` and `calibration_texts` name, by their hashes, what it was measured and
    quantized on: never the same texts."""

    model_config = ConfigDict(frozen=True)

    schema_: Literal["emostream.agreement/1"] = Field(default="emostream.agreement/1", alias="schema")
    form: Form
    reference: Form
    agreement: Agreement
    texts: str
    calibration: str | None = None
    calibration_texts: int = 0

    def within_limits(self) -> str | None:
        """Why a form like this is not to be used; None if nothing is against it."""
        limit = LIMITS.get(self.form.precision)
        return self.agreement.beyond(limit) if limit is not None else None


def answers(probabilities: NDArray[np.floating], task: Task) -> NDArray[np.bool_]:
    """The labels given, as flags [texts, labels]: the most likely one, or with several all from 0.5 on."""
    if task is Task.MULTI_LABEL:
        return np.asarray(probabilities >= ON)
    return np.asarray(np.arange(probabilities.shape[1]) == probabilities.argmax(axis=1)[:, None])


def read_agreement(folder: Path) -> AgreementRecord | None:
    """What the model folder says of its agreement with float32; None if nothing. Raises ModelError."""
    path = folder / AGREEMENT_FILE
    if not path.is_file():
        return None
    try:
        return AgreementRecord.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        raise ModelError(f"{path}: cannot be read: export the model again, or remove the file") from error


def write_agreement(folder: Path, record: AgreementRecord) -> None:
    """Put it beside the weights."""
    content = record.model_dump_json(by_alias=True, indent=2)
    (folder / AGREEMENT_FILE).write_text(content + "\n", encoding="utf-8")


def check_quantized(folder: Path, *, revision: str) -> bool:
    """Whether a quantized model's folder says that it agrees with float32 well enough; False if it says nothing.

    `revision` is the folder's content. Raises ModelError for figures beyond the limits, or of other weights.
    """
    record = read_agreement(folder)
    if record is None:
        return False
    path = folder / AGREEMENT_FILE
    if (record.form.revision, record.form.precision) != (revision, "int8"):
        raise ModelError(f"{path} was measured on other weights or settings: export again, or remove the file")
    objection = record.within_limits()
    if objection is not None:
        raise ModelError(f"{path}: {objection}: use the model in bfloat16 or float32")
    return True
