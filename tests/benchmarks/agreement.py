"""What bfloat16 and int8 change and what they gain: `python -m tests.benchmarks.agreement --help`.

Every model is exported as a user would, on texts that it did not learn from: one half calibrates int8, the other
judges.
Speed is the engine's own over real texts, no Kafka; precisions take turns within one process, so that a busy machine
hurts them alike. Needs what `make models` leaves behind (build/models), or only its slices for the builtin models.
"""

from __future__ import annotations

import json
import re
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import typer

from worker.errors import ModelError
from worker.inference.agreement import AgreementRecord
from worker.inference.engine import Engine, EngineOptions
from worker.inference.loading import load_engine
from worker.inference.sources import BUILTIN_FOLDER
from worker.learning import exporting
from worker.learning.datasets import load_labelled
from worker.learning.unlabelled import load_texts
from worker.records import Encoded

MODELS = ("emotion", "emotion-tiny", "ekman", "goemotions")
JUDGED = ("float32", "bfloat16", "int8")
TIMED = ("float32", "bfloat16", "int8")
DISTILBERT = "distilbert"
SPEED_TEXTS = 1024
CHUNK = 512
PAGE = Path("docs/precision.md")


class Silent:
    """An observer that says nothing."""

    def stage(self, name: str, *, texts: int | None) -> None: ...

    def advance(self, texts: int) -> None: ...


@dataclass(frozen=True)
class Speed:
    """Of one precision: texts a second and CPU seconds for 1 000 texts, medians over the rounds; and both as how many
    times bfloat16's speed, the median of the ratios within a round."""

    precision: str
    texts_per_s: float
    cpu_s_per_1000: float
    times_bfloat16: float
    times_bfloat16_cpu: float


app = typer.Typer(add_completion=False)


@app.command()
def main(
    slices: Annotated[Path, typer.Option(help="Where the held-out texts are.")] = Path("build/models/slices"),
    models: Annotated[
        Path | None, typer.Option(help="Float checkpoints (build/models); default: the builtin models as they ship.")
    ] = None,
    only: Annotated[list[str] | None, typer.Option(help="Only these models.")] = None,
    agreement: Annotated[bool, typer.Option(help="Measure agreement.")] = True,
    speed: Annotated[bool, typer.Option(help="Measure speed.")] = True,
    rounds: Annotated[int, typer.Option(min=1, help="Rounds of each precision.")] = 5,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write every figure here.")] = None,
    precisions: Annotated[list[str] | None, typer.Option("--precision", help="Agreement of only these.")] = None,
    keep: Annotated[Path | None, typer.Option(help="Keep the models here: distilbert, distilbert-int8, ….")] = None,
    write: Annotated[bool, typer.Option("--write", help="Put the tables into docs/precision.md.")] = False,
) -> None:
    """Print agreement with float32, and speed, of each precision."""
    figures: dict[str, Any] = {}
    with TemporaryDirectory() as temporary:
        work = keep or Path(temporary)
        if agreement:
            names = [name for name in only or MODELS if name in MODELS]
            records = {name: _records(name, models, slices, work, precisions or JUDGED) for name in names}
            figures["agreement"] = {name: [each.model_dump() for each in made] for name, made in records.items()}
            _put("agreement", agreement_table(records), write=write)
        if speed:
            texts = load_texts(slices / "emotion" / "all.jsonl")[:SPEED_TEXTS]
            subjects = [name for name in only or ("emotion", DISTILBERT) if name in ("emotion", DISTILBERT)]
            found = {name: _speeds(name, models, texts, work, rounds=rounds) for name in subjects}
            figures["speed"] = {name: [asdict(each) for each in speeds] for name, speeds in found.items()}
            _put("speed", speed_table(found), write=write)
    if json_file is not None:
        json_file.write_text(json.dumps(figures, indent=2) + "\n")


def agreement_table(records: dict[str, list[AgreementRecord]]) -> str:
    """A row for each model and precision."""
    lines = [
        "| model | precision | texts | largest | 99th percentile | same answer | accuracy | in float32 |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for name, made in records.items():
        for each in made:
            found = each.agreement
            lines.append(
                f"| `builtin:{name}` | {each.form.precision} | {found.texts} | {found.largest:.2g} | {found.p99:.2g} | "
                f"{100 * found.same_answer:.2f} % | {each.form.accuracy:.4f} | {each.reference.accuracy:.4f} |"
            )
    return "\n".join(lines)


def speed_table(found: dict[str, list[Speed]]) -> str:
    """A row for each model and precision."""
    lines = [
        "| model | precision | texts/s | over bfloat16 | CPU s for 1 000 texts | over bfloat16 |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for name, speeds in found.items():
        lines += [
            f"| {name} | {each.precision} | {each.texts_per_s:.0f} | {each.times_bfloat16:.2f}x | "
            f"{each.cpu_s_per_1000:.2f} | {each.times_bfloat16_cpu:.2f}x |"
            for each in speeds
        ]
    return "\n".join(lines)


def _records(
    name: str, models: Path | None, slices: Path, work: Path, precisions: Sequence[str]
) -> list[AgreementRecord]:
    calibration = load_texts(slices / name / "tune.jsonl")
    judging = load_labelled(slices / name / "judge.jsonl")
    made = []
    for precision in precisions:
        texts = exporting.divide(calibration, judging, calibrates=precision == "int8")
        out = work / f"{name}-{precision}-judged"
        try:
            done = exporting.export(
                _source(name, models), out, precision=precision, texts=texts, observer=Silent()
            ).agreement
        except exporting.Disagreement as error:
            done = error.record
        if done is None:
            raise ModelError(f"{name}: nothing was measured")
        made.append(done)
    return made


def _source(name: str, models: Path | None) -> str:
    return f"builtin:{name}" if models is None else str(models / name)


def _speeds(name: str, models: Path | None, texts: Sequence[str], work: Path, *, rounds: int) -> list[Speed]:
    source = str(distilbert_size(work / name)) if name == DISTILBERT else _source(name, models)
    int8 = work / f"{name}-int8"
    given = exporting.Texts(calibration=texts[:200], judging=[])
    exporting.export(source, int8, precision="int8", texts=given, observer=Silent())
    engines = {each: _loaded(str(int8) if each == "int8" else source, each) for each in TIMED}
    with _closing(engines):
        for engine in engines.values():
            _time(engine, texts)  # not counted
        taken: dict[str, list[tuple[float, float]]] = {each: [] for each in TIMED}
        for _ in range(rounds):
            for each in TIMED:
                taken[each].append(_time(engines[each], texts))
    return [
        Speed(
            precision,
            texts_per_s=len(texts) / median(wall for wall, _ in taken[precision]),
            cpu_s_per_1000=1000 * median(cpu for _, cpu in taken[precision]) / len(texts),
            times_bfloat16=_ratio(taken["bfloat16"], taken[precision], 0),
            times_bfloat16_cpu=_ratio(taken["bfloat16"], taken[precision], 1),
        )
        for precision in TIMED
    ]


def _ratio(ours: Sequence[tuple[float, float]], theirs: Sequence[tuple[float, float]], place: int) -> float:
    return median(one[place] / other[place] for one, other in zip(ours, theirs, strict=True))


def _loaded(source: str, precision: str) -> Engine:
    return load_engine(
        source,
        backend="openvino",
        precision=precision,
        options=EngineOptions(cache_size=0),
        check_agreement=False,
    )


def _time(engine: Engine, texts: Sequence[str]) -> tuple[float, float]:
    """Seconds and CPU seconds for all texts, in waves."""
    wall, cpu = time.perf_counter(), time.process_time()
    for start in range(0, len(texts), CHUNK):
        encoded = engine.encode(texts[start : start + CHUNK])
        engine.predict([each for each in encoded if isinstance(each, Encoded)])
    return time.perf_counter() - wall, time.process_time() - cpu


@contextmanager
def _closing(engines: dict[str, Engine]) -> Iterator[None]:
    try:
        yield
    finally:
        for engine in engines.values():
            engine.close()


def distilbert_size(folder: Path) -> Path:
    """A DistilBERT of 66 M weights, random: good for timing only. Its tokenizer is that of `builtin:emotion`."""
    import torch
    from transformers import DistilBertConfig, DistilBertForSequenceClassification

    labels = ("sadness", "joy", "love", "anger", "fear", "surprise")
    config = DistilBertConfig(
        id2label=dict(enumerate(labels)), label2id={label: number for number, label in enumerate(labels)}
    )
    torch.manual_seed(7)
    DistilBertForSequenceClassification(config).save_pretrained(folder)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copyfile(BUILTIN_FOLDER / "emotion" / name, folder / name)
    return folder


def _put(name: str, table: str, *, write: bool) -> None:
    typer.echo(table + "\n")
    if write:
        part = re.compile(rf"(<!-- measured: {name} -->\n).*?(\n<!-- end -->)", re.DOTALL)
        page = part.sub(lambda found: f"{found[1]}{table}{found[2]}", PAGE.read_text(encoding="utf-8"))
        PAGE.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    app()
