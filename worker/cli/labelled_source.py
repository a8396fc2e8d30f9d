"""Where the scores of labelled texts come from, for a command: a model at work, or what `classify` wrote before."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from worker.cli.classify import Backend, Precision
from worker.errors import ConfigError

if TYPE_CHECKING:
    from worker.learning.datasets import Fields
    from worker.learning.observed import Observed

OVERLAP_TOLD = 0.05
"""Share of texts the model has learned from above which it is told; short texts repeat by chance."""


@dataclass(frozen=True)
class Source:
    """Where the scores come from: a model and labelled texts, or what `classify` wrote."""

    model: str | None
    data: Path | None
    predictions: Path | None
    revision: str | None
    backend: Backend
    device: str
    precision: Precision

    @property
    def named(self) -> str:
        return str(self.data or self.predictions)

    def check(self) -> None:
        """Raise ConfigError unless it is one or the other."""
        of_model = self.model is not None and self.data is not None
        if of_model is (self.predictions is not None) or (self.predictions and (self.model or self.data)):
            raise ConfigError("give --model and --data, or --predictions")

    def observed(self, fields: Fields) -> Observed:
        """What the model says, or said, of the labelled texts. Raises UsageError."""
        if self.predictions is not None:
            return self._recorded(fields, self.predictions)
        from worker.cli.observing import loaded, observed_by
        from worker.learning.datasets import load_labelled

        texts = load_labelled(Path(self.named), fields, prefer=("validation", "test", "train"))
        choices = {"backend": self.backend, "device": self.device, "precision": self.precision}
        with loaded(str(self.model), revision=self.revision, **choices) as engine:
            return observed_by(engine, texts, title=f"{self.model} on {self.named}")

    def _recorded(self, fields: Fields, predictions: Path) -> Observed:
        from worker.learning.observed import read_observed

        found = read_observed(predictions, fields)
        if found.model.precision:
            return found
        backend = Backend.OPENVINO if self.backend is Backend.AUTO else self.backend
        precision = Precision.FLOAT32 if self.precision is Precision.AUTO else self.precision
        typer.echo(
            f"emostream: the predictions do not say what ran the model: taken to be {backend} in {precision} "
            "(--backend, --precision)",
            err=True,
        )
        return replace(found, model=replace(found.model, backend=str(backend), precision=str(precision)))


def warnings(found: Observed, source: Source) -> Iterator[str]:
    """What makes the promise doubtful: texts that the model was made from."""
    from worker.learning.provenance import read_record

    folder = _folder(found.model.name, source.revision, fetched=source.model is not None)
    record = read_record(folder) if folder is not None else None
    if record is None:
        return
    if found.fingerprint in record.fingerprints:
        yield "warning: these are the texts that the model was trained or tuned on: take others, or nothing is proven"
        return
    share = record.overlap(found.texts)
    if share is not None and share > OVERLAP_TOLD:
        yield f"warning: the model has learned from about {share:.0%} of these texts: take others, or nothing is proven"


def _folder(name: str, revision: str | None, *, fetched: bool) -> Path | None:
    """The model's folder, where it is on this machine anyway."""
    from worker.inference.sources import BUILTIN_FOLDER, BUILTIN_PREFIX, resolve

    if name.startswith(BUILTIN_PREFIX):
        return BUILTIN_FOLDER / name.removeprefix(BUILTIN_PREFIX)
    folder = Path(name).expanduser()
    if folder.is_dir():
        return folder
    return resolve(name, revision=revision).folder if fetched else None
