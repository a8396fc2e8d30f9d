"""`emostream train`: fine-tune a classifier to labelled texts."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from worker.errors import ConfigError

MODEL, FITTING, DATA = "Model", "Fitting", "Data"


class Precision(StrEnum):
    """What the forward pass computes in."""

    AUTO = "auto"
    FLOAT32 = "float32"
    BFLOAT16 = "bfloat16"


def train(
    data: Annotated[Path, typer.Option(help="CSV, TSV, JSONL, Parquet, or a folder in Hugging Face datasets format.")],
    out: Annotated[Path, typer.Option(help="Folder for the model; `run` and `classify` take it at once.")],
    base: Annotated[str | None, typer.Option(help="Directory, Hub id or builtin:emotion-tiny.")] = None,
    from_scratch: Annotated[
        bool, typer.Option("--from-scratch", help="A small new encoder with its own vocabulary instead of --base.")
    ] = False,
    validation: Annotated[
        Path | None, typer.Option(help="Labelled texts to validate on, instead of a share.", rich_help_panel=DATA)
    ] = None,
    validation_share: Annotated[
        float, typer.Option(min=0.01, max=0.5, help="Share held out for validation.", rich_help_panel=DATA)
    ] = 0.1,
    text_field: Annotated[str, typer.Option(help="Field of the text.", rich_help_panel=DATA)] = "text",
    label_field: Annotated[
        str | None, typer.Option(help="Field of the label; default: label, or labels.", rich_help_panel=DATA)
    ] = None,
    epochs: Annotated[int, typer.Option(min=1, help="Passes over the texts, at most.", rich_help_panel=FITTING)] = 3,
    patience: Annotated[
        int, typer.Option(min=1, help="Stop after so many epochs without a gain.", rich_help_panel=FITTING)
    ] = 2,
    learning_rate: Annotated[
        float, typer.Option(min=0.0, help="Peak rate of the top layer.", rich_help_panel=FITTING)
    ] = 5e-5,
    head_learning_rate: Annotated[
        float, typer.Option(min=0.0, help="Peak rate of the new head.", rich_help_panel=FITTING)
    ] = 5e-4,
    layer_decay: Annotated[
        float, typer.Option(min=0.1, max=1.0, help="Rate of a layer, of that above it.", rich_help_panel=FITTING)
    ] = 0.9,
    batch_tokens: Annotated[
        int, typer.Option(min=16, help="Padded tokens of one step.", rich_help_panel=FITTING)
    ] = 1024,
    class_weights: Annotated[
        float,
        typer.Option(
            min=0.0, max=1.0, help="Weigh rare labels: 0 not, 1 fully; undone in the scores.", rich_help_panel=FITTING
        ),
    ] = 0.0,
    label_smoothing: Annotated[float, typer.Option(min=0.0, max=0.5, rich_help_panel=FITTING)] = 0.0,
    freeze_layers: Annotated[
        int | None,
        typer.Option(min=0, help="Keep embeddings and so many layers as they are.", rich_help_panel=FITTING),
    ] = None,
    vocabulary: Annotated[
        int | None,
        typer.Option(min=100, help="Cut a WordPiece vocabulary to so many pieces.", rich_help_panel=MODEL),
    ] = None,
    max_length: Annotated[
        int | None, typer.Option(min=8, help="Read at most so many tokens of a text.", rich_help_panel=MODEL)
    ] = None,
    precision: Annotated[Precision, typer.Option(rich_help_panel=FITTING)] = Precision.AUTO,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.", rich_help_panel=FITTING)] = "auto",
    seed: Annotated[int, typer.Option(min=0, rich_help_panel=FITTING)] = 13,
    floor: Annotated[
        bool, typer.Option(help="Also train the linear floor, to compare with.", rich_help_panel=FITTING)
    ] = True,
) -> None:
    """Fine-tune a model to any label set, one label a text (`label`) or several (`labels`).

    The probabilities are calibrated on the validation texts; a multi-label model gets a threshold for each label.

    Example: emostream train --base builtin:emotion-tiny --data reviews.csv --out models/reviews
    """
    from worker.learning.extras import TRAINING, require

    require(TRAINING, purpose="training")
    if (base is None) is not from_scratch:
        raise ConfigError("give either --base or --from-scratch")
    from worker.learning.bases import NewEncoder
    from worker.learning.console import TrainingConsole
    from worker.learning.datasets import Fields, load_labelled, load_splits
    from worker.learning.fitting import FitOptions
    from worker.learning.train import TrainOptions
    from worker.learning.train import train as run_training

    fields = Fields(text=text_field, label=label_field)
    splits = load_splits(data, fields)
    options = TrainOptions(
        base=base if base is not None else NewEncoder(),
        vocabulary=vocabulary,
        max_length=max_length,
        class_weight_power=class_weights,
        validation_share=validation_share,
        floor=floor,
        fit=FitOptions(
            epochs=epochs,
            patience=patience,
            learning_rate=learning_rate,
            head_learning_rate=head_learning_rate,
            layer_decay=layer_decay,
            batch_tokens=batch_tokens,
            frozen_layers=freeze_layers,
            label_smoothing=label_smoothing,
            precision=precision,
            device=device,
            seed=seed,
        ),
    )
    held = load_labelled(validation, fields) if validation is not None else splits.get("validation")
    with TrainingConsole(str(out)) as console:
        result = run_training(splits["train"], out, options=options, observer=console, validation=held)
    best = result.best
    typer.echo(
        f"{out}: epoch {best.number}, accuracy {best.accuracy:.4f}, macro F1 {best.macro_f1:.4f}, ECE {best.ece:.4f}"
    )
