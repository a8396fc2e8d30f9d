"""Rows out of files, format by format, each with a name for messages ("reviews.csv, line 7").

Knows formats and folders, not what the fields mean. Parquet and Arrow need pyarrow (the `learning` extra).
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any

import orjson

from worker.errors import DataError

SPLIT_WORDS = {
    "train": "train",
    "training": "train",
    "validation": "validation",
    "valid": "validation",
    "val": "validation",
    "dev": "validation",
    "test": "test",
    "testing": "test",
}
"""The words Hugging Face `datasets` looks for in file names, and the splits they mean."""


@dataclass(frozen=True)
class Row:
    """Field values of one row, and where it stands."""

    values: Mapping[str, Any]
    where: str


@dataclass(frozen=True)
class Content:
    """A file's rows, read lazily; `class_names` gives the names behind class numbers, by field, where declared."""

    rows: Iterator[Row]
    class_names: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def read_rows(path: Path) -> Content:
    """The rows of one file; the suffix names the format. Raises DataError, the rows' iterator too."""
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        raise DataError(f"{path}: unknown kind of file: give one of {' '.join(_READERS)} or a folder")
    return reader(path)


def split_files(path: Path) -> dict[str, list[Path]]:
    """The files of each split: a file is `train`; a folder is one saved by `datasets` (`save_to_disk`) or holds files
    with a split's name in theirs, perhaps under `data/`. Raises DataError."""
    if not path.is_dir():
        if not path.is_file():
            raise DataError(f"{path}: no such file or folder")
        return {"train": [path]}
    if (path / "dataset_dict.json").is_file():
        names = _json_file(path / "dataset_dict.json")["splits"]
        return {SPLIT_WORDS.get(name, name): _saved_shards(path / name) for name in names}
    if (path / "state.json").is_file():
        return {"train": _saved_shards(path)}
    return _named_files(path)


def _named_files(folder: Path) -> dict[str, list[Path]]:
    files = [file for place in (folder, folder / "data") if place.is_dir() for file in sorted(place.iterdir())]
    readable = [file for file in files if file.suffix.lower() in _READERS]
    splits: dict[str, list[Path]] = {}
    for file in readable:
        words = [SPLIT_WORDS[word] for word in re.split(r"[^a-z]+", file.stem.lower()) if word in SPLIT_WORDS]
        if words:
            splits.setdefault(words[0], []).append(file)
    if not splits and len(readable) == 1:
        return {"train": readable}
    if not splits:
        raise DataError(f"{folder}: no dataset found: it should hold files such as train.csv and validation.csv")
    return splits


def _saved_shards(folder: Path) -> list[Path]:
    shards = [folder / entry["filename"] for entry in _json_file(folder / "state.json")["_data_files"]]
    for shard in shards:
        if not shard.is_file():
            raise DataError(f"{shard}: missing: save the dataset again")
    return shards


def _json_file(path: Path) -> dict[str, Any]:
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: cannot be read as JSON: save the dataset again") from error
    return content


def _delimited(path: Path, *, delimiter: str) -> Content:
    return Content(_delimited_rows(path, delimiter=delimiter))


def _delimited_rows(path: Path, *, delimiter: str) -> Iterator[Row]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as lines:
            reader = csv.DictReader(lines, delimiter=delimiter)
            for values in reader:
                where = f"{path}, line {reader.line_num}"
                if None in values or None in values.values():
                    count = len(reader.fieldnames or ())
                    raise DataError(
                        f"{where}: not {count} fields as in the first line: quote the field or mend the row"
                    )
                yield Row(values=values, where=where)
    except csv.Error as error:
        raise DataError(f"{path}, line {reader.line_num}: {error}") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not UTF-8: save it in that encoding") from error


def _json_lines(path: Path) -> Content:
    return Content(_json_rows(path))


def _json_rows(path: Path) -> Iterator[Row]:
    with path.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            where = f"{path}, line {number}"
            try:
                values = orjson.loads(line)
            except orjson.JSONDecodeError as error:
                raise DataError(f"{where}: not JSON: put one object on each line") from error
            if not isinstance(values, dict):
                raise DataError(f"{where}: not a JSON object")
            yield Row(values=values, where=where)


def _parquet(path: Path) -> Content:
    import_arrow()
    import pyarrow
    from pyarrow import parquet

    try:
        return _table(parquet.read_table(path), path)
    except pyarrow.ArrowException as error:
        raise DataError(f"{path}: cannot be read as Parquet") from error


def _arrow(path: Path) -> Content:
    import_arrow()
    import pyarrow

    try:
        with pyarrow.memory_map(str(path)) as source:
            return _table(pyarrow.ipc.open_stream(source).read_all(), path)
    except pyarrow.ArrowException as error:
        raise DataError(f"{path}: cannot be read as an Arrow stream: save the dataset again") from error


def _table(table: Any, path: Path) -> Content:
    values = chain.from_iterable(batch.to_pylist() for batch in table.to_batches(max_chunksize=4096))
    rows = (Row(values=row, where=f"{path}, row {number}") for number, row in enumerate(values, start=1))
    return Content(rows, _declared_classes(table.schema.metadata or {}))


def _declared_classes(metadata: Mapping[bytes, bytes]) -> dict[str, tuple[str, ...]]:
    """The names of `ClassLabel` features, from what `datasets` writes into the schema's metadata."""
    if b"huggingface" not in metadata:
        return {}
    features = json.loads(metadata[b"huggingface"]).get("info", {}).get("features", {})
    names = {}
    for field_name, feature in features.items():
        inner = feature[0] if isinstance(feature, list) else feature.get("feature", feature)
        if isinstance(inner, dict) and inner.get("_type") == "ClassLabel":
            names[field_name] = tuple(inner["names"])
    return names


def import_arrow() -> None:
    """Raise one line when pyarrow is missing."""
    try:
        import pyarrow  # noqa: F401
    except ModuleNotFoundError as error:
        raise DataError(
            "pyarrow is not installed: pip install 'emostream[learning]', or give CSV or JSON lines"
        ) from error


_READERS: dict[str, Callable[[Path], Content]] = {
    ".csv": lambda path: _delimited(path, delimiter=","),
    ".tsv": lambda path: _delimited(path, delimiter="\t"),
    ".jsonl": _json_lines,
    ".ndjson": _json_lines,
    ".parquet": _parquet,
    ".arrow": _arrow,
}
