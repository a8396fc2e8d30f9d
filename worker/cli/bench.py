"""`emostream bench`: how fast a model runs on this machine, and with which settings."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from worker.cli.writing import write_file
from worker.files import InputFormat

if TYPE_CHECKING:
    from worker.inference.engine import Engine
    from worker.profiling.document import Subject
    from worker.profiling.profile import Profile
    from worker.profiling.settings import Setting

STANDARD_STREAM = Path("-")


def bench(
    model: Annotated[str, typer.Option(help="builtin:NAME, a directory or a Hub id.")] = "builtin:emotion",
    input_file: Annotated[
        Path | None,
        typer.Option("--input", help="File of texts; - is standard input.", show_default="the demo's 2,490 comments"),
    ] = None,
    input_format: Annotated[
        InputFormat | None, typer.Option(help="Default: by the file's suffix; txt for standard input.")
    ] = None,
    text_field: Annotated[
        str, typer.Option(help="Column or key of the text; one that begins with / is a JSON pointer.")
    ] = "text",
    seconds: Annotated[
        float, typer.Option(min=0.1, max=86_400, help="How long to measure in all; loading comes on top.")
    ] = 30.0,
    revision: Annotated[str | None, typer.Option(help="Hub branch, tag or commit.")] = None,
    output_file: Annotated[
        Path | None, typer.Option("--output", help="Write the recommended settings here, for `run --config`.")
    ] = None,
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Write all that was measured here; - is stdout.")
    ] = None,
) -> None:
    """Measure a model with every backend and precision that this machine has, and recommend settings.

    Engines take turns over the same texts, in waves of 512; no Kafka is needed.

    Example: emostream bench --model builtin:emotion --input comments.jsonl --output tuned.yaml
    """
    from worker.observability.logging import configure

    configure(level="error")
    profile, subject = _measured(model, revision, _texts(input_file, input_format, text_field), seconds=seconds)
    _report(profile, subject, output_file=output_file, json_file=json_file)


def _measured(model: str, revision: str | None, texts: list[str], *, seconds: float) -> tuple[Profile, Subject]:
    from worker.clock import SystemClock
    from worker.inference.cpus import usable_cpus
    from worker.profiling.document import Subject
    from worker.profiling.machine import this_machine
    from worker.profiling.profile import Profiler
    from worker.profiling.texts import shuffled

    clock = SystemClock()
    machine = this_machine(cpus=usable_cpus())
    with _progress() as told:
        profile = Profiler(
            lambda setting: _open(model, revision, setting),
            shuffled(texts),
            seconds=seconds,
            cpus=machine.cpus,
            clock=clock,
            progress=told,
        ).run()
    return profile, Subject(model, revision, replace(machine, gpu=_gpu_of(profile)), _date(clock.time()))


def _report(profile: Profile, subject: Subject, *, output_file: Path | None, json_file: Path | None) -> None:
    import orjson

    from worker.cli.bench_tables import show
    from worker.profiling.document import as_values, settings_yaml

    if output_file is not None:
        write_file(output_file, settings_yaml(profile, subject))
    document = orjson.dumps(as_values(profile, subject), option=orjson.OPT_INDENT_2).decode()
    if json_file == STANDARD_STREAM:
        typer.echo(document)
        return
    if json_file is not None:
        write_file(json_file, document + "\n")
    show(profile, subject, written=output_file)


def _open(model: str, revision: str | None, setting: Setting) -> Engine:
    """One engine, without a cache: texts that come round again are to be computed again. How far int8 stands from
    float32 is about to be measured, so what its folder says of it does not count."""
    from worker.inference.engine import EngineOptions
    from worker.inference.loading import load_engine

    return load_engine(
        model,
        revision=revision,
        backend=setting.backend,
        device=setting.device,
        precision=setting.precision,
        options=EngineOptions(max_batch_tokens=setting.max_batch_tokens, workers=setting.workers, cache_size=0),
        check_agreement=False,
    )


def _gpu_of(profile: Profile) -> str | None:
    """What the driver calls the GPU, if one was measured."""
    device = next((each.setting.device for each in profile.engines if each.setting.on_cuda), None)
    if device is None:
        return None
    from worker.inference.torch_backend import device_name

    return device_name(device)


def _texts(path: Path | None, wanted: InputFormat | None, text_field: str) -> list[str]:
    if path is None:
        from worker.demo.messages import texts

        return texts()
    from worker.cli.classify import MAX_VALUE_BYTES, opened_input, pointer_and_column
    from worker.files import format_of, read_rows
    from worker.intake import Intake
    from worker.profiling.texts import texts_of

    kind = wanted or (InputFormat.TXT if path == STANDARD_STREAM else format_of(path))
    pointer, column = pointer_and_column(text_field)
    intake = Intake(
        format="text" if kind is InputFormat.TXT else "json", pointer=pointer, max_value_bytes=MAX_VALUE_BYTES
    )
    with opened_input(path) as stream:
        return texts_of(read_rows(stream, kind, name=str(path), column=column), intake, name=str(path))


def _date(now: float) -> str:
    from datetime import UTC, datetime

    return datetime.fromtimestamp(now, UTC).date().isoformat()


@contextmanager
def _progress() -> Iterator[Callable[[str, float], None]]:
    """A bar on the terminal; nothing elsewhere."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

    console = Console(stderr=True)
    columns = (BarColumn(), TaskProgressColumn(), TextColumn("{task.description}"))
    with Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as progress:
        bar = progress.add_task("loading", total=1.0)
        yield lambda doing, share: progress.update(bar, description=doing, completed=share)
