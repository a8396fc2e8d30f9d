"""Rows out of files and standard input, one by one in bounded memory, as the bytes a record would hold.

Knows formats (text, CSV, TSV, JSON lines, Parquet), not what the rows mean: each becomes a record's value for
`worker.intake`, and a row that is broken is handed on with its reason instead of ending the run. Labelled data for
training are read strictly, by `worker.learning.rows`.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import Any, BinaryIO, Final

import orjson

from worker.errors import DataError

LONGEST_LINE: Final = 16 * 1024 * 1024
"""Bytes of a line or CSV field. What is longer is no text: a missing newline, or a quote that is never closed."""

PARQUET_ROWS: Final = 512


class InputFormat(StrEnum):
    """What a file holds."""

    TXT = "txt"
    CSV = "csv"
    TSV = "tsv"
    JSONL = "jsonl"
    PARQUET = "parquet"


SUFFIXES: Final = {
    ".txt": InputFormat.TXT,
    ".csv": InputFormat.CSV,
    ".tsv": InputFormat.TSV,
    ".jsonl": InputFormat.JSONL,
    ".ndjson": InputFormat.JSONL,
    ".parquet": InputFormat.PARQUET,
}


@dataclass(frozen=True, slots=True)
class InputRow:
    """One text's row: `number` from 1 (without a header row), and its value: the line itself for text and JSON lines,
    a JSON object of the columns otherwise. `problem` says why the columns cannot be told apart."""

    number: int
    value: bytes
    problem: str | None = None


def format_of(path: Path) -> InputFormat:
    """What the suffix says the file holds. Raises DataError."""
    found = SUFFIXES.get(path.suffix.lower())
    if found is None:
        raise DataError(f"{path}: the name does not tell its format: say --input-format {'|'.join(InputFormat)}")
    return found


def read_rows(stream: BinaryIO, kind: InputFormat, *, name: str, column: str | None) -> Iterator[InputRow]:
    """The rows of an open file, lazily; where there are columns and `column` is given, it must be one of them.

    Raises DataError, at once or from the iterator, where the file as a whole cannot be read as what it should be.
    `name` is what messages call the file.
    """
    if kind is InputFormat.PARQUET:
        return _parquet_rows(stream, name, column)
    if kind in (InputFormat.CSV, InputFormat.TSV):
        return _delimited_rows(stream, name, column, delimiter="," if kind is InputFormat.CSV else "\t")
    return _line_rows(stream, name)


def _line_rows(stream: BinaryIO, name: str) -> Iterator[InputRow]:
    number = 0
    while line := stream.readline(LONGEST_LINE):
        number += 1
        if len(line) == LONGEST_LINE and not line.endswith(b"\n"):
            raise DataError(f"{name}, line {number}: longer than {LONGEST_LINE} bytes: is this a file of lines?")
        yield InputRow(number, line.rstrip(b"\r\n"))


def _delimited_rows(stream: BinaryIO, name: str, column: str | None, *, delimiter: str) -> Iterator[InputRow]:
    # Bytes that are not UTF-8 pass through as surrogates and come out again as they were: intake judges them.
    lines = io.TextIOWrapper(stream, encoding="utf-8-sig", errors="surrogateescape", newline="")
    csv.field_size_limit(LONGEST_LINE)
    reader = csv.reader(lines, delimiter=delimiter)
    try:
        header = next(reader, None)
    except csv.Error as error:
        raise DataError(f"{name}: the first line cannot be read: {error}") from error
    if header is not None:
        _require_column(name, header, column)
    return _delimited_after(header or [], reader, lines, name)


def _delimited_after(
    header: list[str], reader: Iterator[list[str]], lines: io.TextIOWrapper, name: str
) -> Iterator[InputRow]:
    number = 0
    try:
        for number, fields in enumerate((row for row in reader if row), start=1):
            yield _delimited_row(number, header, fields)
    except csv.Error as error:
        raise DataError(f"{name}, after row {number}: {error}: is a quote not closed?") from error
    finally:
        lines.detach()  # else the file would be closed with it: that is the caller's to do


def _delimited_row(number: int, header: list[str], fields: list[str]) -> InputRow:
    if len(fields) != len(header):
        problem = f"{len(fields)} fields, the first line names {len(header)}: quote the field or mend the row"
        return InputRow(number, b"", problem)
    content = json.dumps(dict(zip(header, fields, strict=True)), ensure_ascii=False)
    return InputRow(number, content.encode("utf-8", "surrogateescape"))


def _parquet_rows(stream: BinaryIO, name: str, column: str | None) -> Iterator[InputRow]:
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError:
        raise DataError("Parquet needs pyarrow: pip install 'emostream[learning]', or give CSV or JSON lines") from None
    try:
        file = parquet.ParquetFile(stream)
    except pyarrow.ArrowException as error:
        raise DataError(f"{name}: cannot be read as Parquet") from error
    _require_column(name, file.schema_arrow.names, column)
    values = (row for batch in file.iter_batches(batch_size=PARQUET_ROWS) for row in batch.to_pylist())
    return (InputRow(number, orjson.dumps(row, default=_as_json)) for number, row in enumerate(values, start=1))


def _require_column(name: str, columns: list[str], column: str | None) -> None:
    if column is not None and column not in columns:
        raise DataError(f"{name}: no column {column!r} among {', '.join(columns)}: name the text's with --text-field")


_JSON_FORMS: Final[Mapping[type, Callable[[Any], Any]]] = {
    bytes: lambda value: value.decode("utf-8", "replace"),
    Decimal: str,
}


def _as_json(value: Any) -> Any:
    """What JSON has no form for, as text."""
    return _JSON_FORMS.get(type(value), str)(value)
