"""`emostream classify`: the worker's engine and decisions over a file or standard input."""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, BinaryIO

import typer

from worker.errors import ConfigError, DataError, EmostreamError
from worker.files import InputFormat

if TYPE_CHECKING:
    from worker.file_classification import Classified
    from worker.records import Outcome

STANDARD_STREAM = Path("-")
MAX_VALUE_BYTES = 262_144  # as input.max_value_bytes of the worker

ENGINE = "Engine"


class Backend(StrEnum):
    """What runs the model."""

    AUTO = "auto"
    TORCH = "torch"
    OPENVINO = "openvino"


class Precision(StrEnum):
    """What the forward pass computes in."""

    AUTO = "auto"
    FLOAT32 = "float32"
    BFLOAT16 = "bfloat16"
    FLOAT16 = "float16"
    INT8 = "int8"


def classify(
    model: Annotated[str, typer.Option(help="builtin:NAME, a directory or a Hub id.")] = "builtin:emotion",
    input_file: Annotated[Path, typer.Option("--input", help="File to read; - is standard input.")] = STANDARD_STREAM,
    output_file: Annotated[
        Path, typer.Option("--output", help="File to write; - is standard output.")
    ] = STANDARD_STREAM,
    input_format: Annotated[
        InputFormat | None, typer.Option(help="Default: by the file's suffix; txt for standard input.")
    ] = None,
    text_field: Annotated[
        str, typer.Option(help="Column or key of the text; one that begins with / is a JSON pointer.")
    ] = "text",
    policy: Annotated[Path | None, typer.Option(help="Policy file; default: the model's own, if it has one.")] = None,
    no_policy: Annotated[
        bool, typer.Option("--no-policy", help="Also leave out the model's own policy, e.g. before `calibrate`.")
    ] = False,
    min_confidence: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="Without any policy: abstain below it.")
    ] = 0.5,
    revision: Annotated[str | None, typer.Option(help="Hub branch, tag or commit.", rich_help_panel=ENGINE)] = None,
    backend: Annotated[Backend, typer.Option(rich_help_panel=ENGINE)] = Backend.AUTO,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.", rich_help_panel=ENGINE)] = "auto",
    precision: Annotated[Precision, typer.Option(rich_help_panel=ENGINE)] = Precision.AUTO,
) -> None:
    """Write one JSON line for each text, in the order of the input: labels, scores, decision and the row itself.

    A text that cannot be classified gets a line with outcome "dead" and the reason, so that there are as many lines
    as rows.

    Example: emostream classify --model builtin:emotion --input reviews.csv --output classified.jsonl
    """
    if no_policy and policy is not None:
        raise ConfigError("give --policy or --no-policy")
    from worker.cli.observing import loaded
    from worker.clock import SystemClock
    from worker.decision.policy import rule_for
    from worker.file_classification import WAVE_ROWS, FileClassifier
    from worker.files import format_of, read_rows
    from worker.intake import Intake
    from worker.wiring import policy_of, surprise_of

    kind = input_format or (InputFormat.TXT if input_file == STANDARD_STREAM else format_of(input_file))
    pointer, column = pointer_and_column(text_field)
    intake = Intake(
        format="text" if kind is InputFormat.TXT else "json", pointer=pointer, max_value_bytes=MAX_VALUE_BYTES
    )
    with ExitStack() as parts:
        source = parts.enter_context(opened_input(input_file))
        rows = read_rows(source, kind, name=str(input_file), column=column)
        sink = parts.enter_context(_opened_output(output_file, input_file))
        choices = {"backend": backend, "device": device, "precision": precision}
        engine = parts.enter_context(loaded(model, revision=revision, **choices))
        chosen = None if no_policy else policy_of(policy, engine.policy_file)
        surprise = surprise_of(engine)
        classifier = FileClassifier(
            name=str(input_file),
            intake=intake,
            classifier=engine,
            rule=rule_for(engine.info, chosen, min_confidence=min_confidence, surprise=surprise),
            policy=chosen,
            surprise=surprise,
            clock=SystemClock(),
        )
        waves = classifier.run(rows, wave_rows=1 if source.isatty() else WAVE_ROWS)
        _write(waves, sink, source, position_tells=kind is not InputFormat.PARQUET)


def _write(waves: Iterable[Classified], sink: BinaryIO, source: BinaryIO, *, position_tells: bool) -> None:
    """Write the lines as they come, and on a terminal show how far it is."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    size = _size(source) if position_tells else None
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    outcomes: Counter[Outcome] = Counter()
    with Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as progress:
        bar = progress.add_task("loading", total=size)
        for wave in waves:
            _put(wave.lines, sink)
            outcomes += wave.outcomes
            progress.update(bar, completed=source.tell() if size else 0, description=f"{outcomes.total():,} texts")
    if console.is_terminal:
        console.print(", ".join(f"{count:,} {outcome}" for outcome, count in outcomes.most_common()) or "no texts")


class OutputFailed(EmostreamError):
    """The output takes no more: its file system is full, or gone."""

    def __init__(self, error: OSError) -> None:
        super().__init__(f"the output cannot be written, what is there is not whole: {error.strerror or error}")


def _put(lines: bytes, sink: BinaryIO) -> None:
    try:
        sink.write(lines)
        sink.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        raise OutputFailed(error) from error


def pointer_and_column(text_field: str) -> tuple[str, str | None]:
    """The JSON pointer to the text in a row's value, and the column that must be there, if it is one."""
    if text_field.startswith("/"):
        return text_field, None
    return "/" + text_field.replace("~", "~0").replace("/", "~1"), text_field


@contextmanager
def opened_input(path: Path) -> Iterator[BinaryIO]:
    """The file, or standard input, open for reading. Raises DataError."""
    if path == STANDARD_STREAM:
        yield sys.stdin.buffer
        return
    try:
        file = path.open("rb")
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error
    with file:
        yield file


@contextmanager
def _opened_output(path: Path, source: Path) -> Iterator[BinaryIO]:
    if path == STANDARD_STREAM:
        try:
            yield sys.stdout.buffer
        except BrokenPipeError:  # the reader has seen enough (`| head`)
            _forget_stdout()
            raise typer.Exit(1) from None
        except OutputFailed:
            _forget_stdout()
            raise
        return
    if source != STANDARD_STREAM and path.exists() and path.samefile(source):
        raise DataError(f"{path}: input and output are the same file: name another --output")
    try:
        file = path.open("wb")
    except OSError as error:
        raise DataError(f"{path}: cannot be written: {error.strerror}") from error
    try:
        yield file
    except BaseException:
        with suppress(OSError):  # it would only repeat what is raised already
            file.close()
        raise
    try:
        file.close()
    except OSError as error:
        raise OutputFailed(error) from error


def _forget_stdout() -> None:
    """Nothing may be left for the interpreter to flush at its end: it would complain once more."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _size(source: BinaryIO) -> int | None:
    """Bytes of a regular file; None where the end is not known."""
    try:
        return os.fstat(source.fileno()).st_size or None
    except OSError:  # io.UnsupportedOperation: a stream in memory
        return None
