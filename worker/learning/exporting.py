"""A model in another form, beside how far it stands from float32: what `emostream export` does.

Owns the order of the steps: convert, quantize, measure on texts that nothing was calibrated on, judge, and only then
give the folder its name. The forms themselves are made by `worker.inference`.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from worker.errors import DataError, ModelError
from worker.inference.agreement import Agreement, AgreementRecord, Form, answers, write_agreement
from worker.inference.checkpoint import POLICY_FILE, SURPRISE_FILE, Checkpoint, read_checkpoint
from worker.inference.engine import Engine
from worker.inference.forms import float_model, save_form
from worker.inference.loading import load_engine
from worker.inference.sources import ModelSource, resolve
from worker.learning.datasets import LabelledTexts
from worker.learning.provenance import RECORD_FILE
from worker.learning.shipping import scores
from worker.learning.unlabelled import texts_hash
from worker.records import Encoded, Task

FEWEST_TO_CALIBRATE: Final = 50
FEWEST_TO_JUDGE: Final = 100
MOST_TO_JUDGE: Final = 2_000
CHUNK: Final = 256
ALSO_COPIED: Final = (SURPRISE_FILE, RECORD_FILE)  # they are of the tokens and the training texts, not of the weights


class ExportObserver(Protocol):
    """Told how far it is."""

    def stage(self, name: str, *, texts: int | None) -> None:
        """Another stage begins, over so many texts, if that is known."""

    def advance(self, texts: int) -> None:
        """So many more are done."""


@dataclass(frozen=True)
class Texts:
    """`calibration`: what int8 takes its scales from; `judging`: what agreement is measured on, with labels or none."""

    calibration: Sequence[str]
    judging: Sequence[str]
    labelled: LabelledTexts | None = None


@dataclass(frozen=True)
class Exported:
    """What was written: `agreement` None where no texts were given; `left_behind`: the model's policy was not taken
    along."""

    folder: Path
    agreement: AgreementRecord | None
    policy_left_behind: bool


def divide(unlabelled: Sequence[str], labelled: LabelledTexts | None, *, calibrates: bool) -> Texts:
    """Which texts serve for what, none for both. `calibrates`: scales are to be taken from some of the unlabelled.

    Raises DataError where there are too few.
    """
    from worker.inference.quantization import CALIBRATION_TEXTS

    taken = 0
    if calibrates:
        spare = 0 if labelled is not None else max(FEWEST_TO_JUDGE, len(unlabelled) // 2)
        taken = max(0, min(CALIBRATION_TEXTS, len(unlabelled) - spare))
        if taken < FEWEST_TO_CALIBRATE:
            needed = FEWEST_TO_CALIBRATE + (0 if labelled is not None else FEWEST_TO_JUDGE)
            found = len(unlabelled)
            raise DataError(f"int8 needs at least {needed} different texts in --calibration, there are {found}")
    calibration = list(unlabelled[:taken])
    if labelled is None:
        judging = list(unlabelled[taken : taken + MOST_TO_JUDGE])
    else:
        labelled = _apart(labelled, calibration)
        judging = list(labelled.texts)
    if judging and len(judging) < FEWEST_TO_JUDGE:
        raise DataError(
            f"agreement needs at least {FEWEST_TO_JUDGE} texts that nothing is calibrated on, there are {len(judging)}"
        )
    return Texts(calibration, judging, labelled)


def export(
    model: str, out: Path, *, precision: str, texts: Texts, observer: ExportObserver, revision: str | None = None
) -> Exported:
    """Write `model` to `out` in `precision` (float32, bfloat16, int8), and measure it where texts were given.

    `out` must not be there yet, or be empty; nothing is left in it unless all of it is. Raises ModelError, also where
    the form stands too far from float32.
    """
    check_target(out)
    source = resolve(model, revision=revision)
    checkpoint = read_checkpoint(source.folder)
    _truth(texts.labelled, checkpoint)  # wrong labels are found before the work
    with _draft_beside(out) as draft:
        observer.stage("converting", texts=None)
        _convert(checkpoint, draft, precision=precision, texts=texts, observer=observer)
        for name in ALSO_COPIED:
            if (source.folder / name).is_file():
                shutil.copyfile(source.folder / name, draft / name)
        record = None
        if texts.judging:
            record = measure(source, draft, precision=precision, texts=texts, observer=observer, revision=revision)
            record = record.model_copy(update={"form": record.form.model_copy(update={"name": str(out)})})
            write_agreement(draft, record)
            objection = record.within_limits()
            if objection is not None:
                raise Disagreement(f"{out} is not written: {objection}: {_advice(precision)}", record)
        draft.chmod(0o755)
        draft.rename(out)
    return Exported(out, record, policy_left_behind=(source.folder / POLICY_FILE).is_file())


class Disagreement(ModelError):
    """The form stands too far from float32."""

    def __init__(self, message: str, record: AgreementRecord) -> None:
        super().__init__(message)
        self.record = record


def check_target(out: Path) -> None:
    """Raise DataError where something is already there."""
    if out.is_dir() and any(out.iterdir()):
        raise DataError(f"{out}: the folder is not empty: name another --out")
    if out.exists() and not out.is_dir():
        raise DataError(f"{out}: is a file: name another --out")


def measure(
    source: ModelSource,
    folder: Path,
    *,
    precision: str,
    texts: Texts,
    observer: ExportObserver,
    revision: str | None = None,
) -> AgreementRecord:
    """The form in `folder`, run in `precision`, against its source in float32, over the judging texts."""
    checkpoint = read_checkpoint(source.folder)
    truth = _truth(texts.labelled, checkpoint)
    backend = "torch" if checkpoint.has_safetensors else "openvino"
    observer.stage("scoring in float32", texts=len(texts.judging))
    with _engine(source.name, backend=backend, precision="float32", revision=revision) as engine:
        expected, reference = _scores(engine, texts.judging, observer), _form(engine)
    observer.stage(f"scoring in {precision}", texts=len(texts.judging))
    with _engine(str(folder), backend="openvino", precision=precision) as engine:
        actual, form = _scores(engine, texts.judging, observer), _form(engine)
    task = checkpoint.task
    return AgreementRecord(
        form=_judged(form, actual, task, truth),
        reference=_judged(reference, expected, task, truth),
        agreement=Agreement.between(expected, actual, task=task),
        texts=texts_hash(texts.judging),
        calibration=texts_hash(texts.calibration) if texts.calibration else None,
        calibration_texts=len(texts.calibration),
    )


def _convert(checkpoint: Checkpoint, draft: Path, *, precision: str, texts: Texts, observer: ExportObserver) -> None:
    model = float_model(checkpoint)
    if precision == "int8":
        from worker.inference.quantization import quantized

        observer.stage("calibrating int8", texts=None)
        encoded = checkpoint.text_encoder().encode(texts.calibration)
        ids = [item.ids for item in encoded if isinstance(item, Encoded)]
        model = quantized(model, ids, progress=lambda: observer.advance(1))
    save_form(model, checkpoint.folder, draft, halved=precision == "bfloat16")


@contextmanager
def _draft_beside(out: Path) -> Iterator[Path]:
    """A folder that is gone afterwards, unless it was given its name."""
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(prefix=f".{out.name}-", dir=out.parent))
    except OSError as error:
        raise DataError(f"{out}: cannot be written: {error.strerror}") from error
    try:
        yield draft
    except OSError as error:
        raise DataError(f"{out}: cannot be written: {error.strerror}") from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)


@contextmanager
def _engine(name: str, *, backend: str, precision: str, revision: str | None = None) -> Iterator[Engine]:
    engine = load_engine(
        name, revision=revision, backend=backend, device="cpu", precision=precision, check_agreement=False
    )
    try:
        yield engine
    finally:
        engine.close()


def _scores(engine: Engine, texts: Sequence[str], observer: ExportObserver) -> NDArray[np.float32]:
    parts = []
    for start in range(0, len(texts), CHUNK):
        part = texts[start : start + CHUNK]
        parts.append(scores(engine, part))
        observer.advance(len(part))
    return np.concatenate(parts)


def _form(engine: Engine) -> Form:
    info = engine.info
    described = {"name": info.name, "revision": info.revision, "backend": info.backend, "precision": info.precision}
    return Form.model_validate(described)


def _judged(form: Form, probabilities: NDArray[np.float32], task: Task, truth: NDArray[np.bool_] | None) -> Form:
    """With the share of texts whose answer is exactly right, where that is known."""
    if truth is None:
        return form
    right = (answers(probabilities, task) == truth).all(axis=1)
    return form.model_copy(update={"accuracy": float(right.mean())})


def _truth(labelled: LabelledTexts | None, checkpoint: Checkpoint) -> NDArray[np.bool_] | None:
    """The true labels [texts, labels], columns in the model's order. Raises DataError."""
    if labelled is None:
        return None
    unknown = sorted({name for names in labelled.labels for name in names} - set(checkpoint.labels))
    if unknown:
        raise DataError(f"label {unknown[0]!r} is none of the model's ({', '.join(checkpoint.labels)})")
    if checkpoint.task is Task.SINGLE_LABEL and any(len(names) != 1 for names in labelled.labels):
        raise DataError("the model gives one label, some of the labelled texts have none or several")
    column = {label: number for number, label in enumerate(checkpoint.labels)}
    truth = np.zeros((len(labelled), len(column)), dtype=np.bool_)
    for row, names in enumerate(labelled.labels):
        truth[row, [column[name] for name in names]] = True
    return truth


def _apart(labelled: LabelledTexts, calibration: Sequence[str]) -> LabelledTexts:
    """Without blank texts and those that scales are taken from, and no more than are needed."""
    from worker.intake import is_blank

    taken = set(calibration)
    kept = [row for row, text in enumerate(labelled.texts) if text not in taken and not is_blank(text)]
    order = np.random.default_rng(0).permutation(kept) if len(kept) > MOST_TO_JUDGE else np.array(kept)
    return labelled.take(sorted(int(row) for row in order[:MOST_TO_JUDGE]))


def _advice(precision: str) -> str:
    if precision == "int8":
        return "calibrate on more texts like those it will see, or stay with bfloat16"
    return "run it on torch, or in float32"
