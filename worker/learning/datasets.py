"""Labelled texts from files: CSV, TSV, JSON lines, Parquet, or a folder in the format of Hugging Face `datasets`.

Owns what a labelled text is and where its text and labels stand. Every mistake is one line that names the file, the
row and what to change, and never the text itself. Reading rows out of each format is `worker.learning.rows`'.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from worker.errors import DataError
from worker.learning.rows import Row, read_rows, split_files

SINGLE_FIELD, MULTI_FIELD = "label", "labels"


@dataclass(frozen=True)
class LabelledTexts:
    """n texts with their labels: exactly one each, or, with `multi_label`, any number; all taken from `label_names`."""

    texts: Sequence[str]
    labels: Sequence[tuple[str, ...]]
    label_names: tuple[str, ...]
    multi_label: bool

    def __len__(self) -> int:
        return len(self.texts)

    def take(self, indices: Sequence[int]) -> LabelledTexts:
        """The texts at these positions, in this order."""
        return replace(
            self, texts=[self.texts[index] for index in indices], labels=[self.labels[index] for index in indices]
        )

    def targets(self) -> NDArray[np.float32]:
        """0/1 matrix, float32 [n, labels]."""
        column = {name: number for number, name in enumerate(self.label_names)}
        matrix = np.zeros((len(self.texts), len(column)), dtype=np.float32)
        for row, names in enumerate(self.labels):
            matrix[row, [column[name] for name in names]] = 1.0
        return matrix


@dataclass(frozen=True)
class Fields:
    """Where text and labels stand in a row. `label` None: `label`, or else `labels`.

    Labels are multi-label when they are lists or stand in a field called `labels`, where a string holds several
    separated by commas; in any other field a string is one label, commas and all.
    """

    text: str = "text"
    label: str | None = None

    def label_in(self, row: Row) -> str:
        """The field of this row that holds its labels."""
        if self.label is not None:
            return self.label
        return SINGLE_FIELD if SINGLE_FIELD in row.values or MULTI_FIELD not in row.values else MULTI_FIELD


def load_splits(path: Path, fields: Fields | None = None) -> dict[str, LabelledTexts]:
    """The splits of a folder (`train`, `validation`, `test`, as far as it has them); a file is all `train`.

    All splits share one label set: the declared class names where the format has them, otherwise every label found,
    sorted. Raises DataError.
    """
    chosen = fields or Fields()
    parsed = {
        split: [
            _labelled(row, chosen, names=content.class_names)
            for file in files
            for content in [read_rows(file)]
            for row in content.rows
        ]
        for split, files in split_files(path).items()
    }
    for split, rows in parsed.items():
        if not rows:
            raise DataError(f"{path}: no rows in {split}: give at least one labelled text")
    multi_label = any(entry.several for rows in parsed.values() for entry in rows)
    names = _label_names(entry for rows in parsed.values() for entry in rows)
    return {
        split: LabelledTexts(
            texts=[entry.text for entry in rows],
            labels=[_checked(entry, multi_label=multi_label) for entry in rows],
            label_names=names,
            multi_label=multi_label,
        )
        for split, rows in parsed.items()
    }


def load_labelled(path: Path, fields: Fields | None = None, *, prefer: Sequence[str] = ("train",)) -> LabelledTexts:
    """One set of labelled texts: a file, or the first split of a folder that is named in `prefer`. Raises DataError."""
    splits = load_splits(path, fields)
    for name in prefer:
        if name in splits:
            return splits[name]
    if path.is_dir():
        raise DataError(f"{path}: holds {', '.join(splits)}, needed is {' or '.join(prefer)}")
    return next(iter(splits.values()))


def row_labels(values: Mapping[str, Any], fields: Fields, *, where: str) -> tuple[str, ...]:
    """The labels of one row that is no file's, for example the payload of a classified text. Raises DataError."""
    row = Row(values={fields.text: "", **values}, where=where)
    return _labelled(row, fields, names={}).labels


@dataclass(frozen=True)
class _Entry:
    text: str
    labels: tuple[str, ...]
    several: bool
    declared: tuple[str, ...]
    where: str


def _labelled(row: Row, fields: Fields, *, names: Mapping[str, tuple[str, ...]]) -> _Entry:
    text = _value(row, fields.text, option="--text-field")
    if not isinstance(text, str):
        raise DataError(f"{row.where}: field {fields.text!r} is not a string")
    field = fields.label_in(row)
    value = _value(row, field, option="--label-field")
    declared = names.get(field, ())
    several = isinstance(value, list) or field == MULTI_FIELD
    if isinstance(value, list):
        items = value
    elif isinstance(value, str) and several:
        items = value.split(",")
    else:
        items = [] if value is None else [value]
    labels = [_label(item, declared, row) for item in items]
    unique = tuple(dict.fromkeys(label for label in labels if label))
    return _Entry(text=text, labels=unique, several=several, declared=declared, where=row.where)


def _value(row: Row, field: str, *, option: str) -> Any:
    if field not in row.values:
        found = ", ".join(map(repr, row.values)) or "nothing"
        raise DataError(f"{row.where}: no field {field!r}, found {found}: name the right one with {option}")
    return row.values[field]


def _label(item: Any, declared: tuple[str, ...], row: Row) -> str:
    """A label as a string; a class number becomes the name that the format declares for it."""
    if isinstance(item, int) and not isinstance(item, bool):
        if not declared:
            return str(item)
        if 0 <= item < len(declared):
            return declared[item]
        raise DataError(f"{row.where}: class number {item} is none of the {len(declared)} declared classes")
    if isinstance(item, str):
        return item.strip()
    raise DataError(f"{row.where}: a label is neither a string nor a whole number")


def _label_names(entries: Iterable[_Entry]) -> tuple[str, ...]:
    found: set[str] = set()
    declared: tuple[str, ...] = ()
    for entry in entries:
        found.update(entry.labels)
        declared = declared or entry.declared
    return declared if found <= set(declared) else tuple(sorted(found))


def _checked(entry: _Entry, *, multi_label: bool) -> tuple[str, ...]:
    if not multi_label and len(entry.labels) != 1:
        raise DataError(f"{entry.where}: no label: fill it in or leave the row out")
    return entry.labels
