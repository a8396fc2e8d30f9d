from __future__ import annotations

import json
from pathlib import Path

import pytest

from worker.errors import DataError
from worker.learning.datasets import Fields, load_labelled, load_splits

SECRET = "nobody may read this"


def write(path: Path, content: str) -> Path:
    path.write_text(content, encoding="utf-8")
    return path


def test_csv_with_one_label_a_row(tmp_path: Path) -> None:
    """A CSV of text and label, quotes and commas in the text included."""
    path = write(tmp_path / "a.csv", 'text,label\n"well, fine",good\nno,bad\n')

    found = load_labelled(path)

    assert found.texts == ["well, fine", "no"]
    assert found.labels == [("good",), ("bad",)]
    assert (found.label_names, found.multi_label) == (("bad", "good"), False)


def test_a_byte_order_mark_is_no_part_of_the_first_field(tmp_path: Path) -> None:
    """Spreadsheets write one."""
    path = write(tmp_path / "a.csv", "\ufefftext,label\nx,y\n")

    assert load_labelled(path).texts == ["x"]


def test_tsv(tmp_path: Path) -> None:
    """Tabs between the fields."""
    path = write(tmp_path / "a.tsv", "text\tlabel\none, two\tgood\n")

    assert load_labelled(path).texts == ["one, two"]


def test_labels_separated_by_commas(tmp_path: Path) -> None:
    """A field called labels holds several; none is allowed."""
    path = write(tmp_path / "a.csv", 'text,labels\nx,"joy, love"\ny,\n')

    found = load_labelled(path)

    assert found.labels == [("joy", "love"), ()]
    assert found.multi_label


def test_json_lines_with_lists(tmp_path: Path) -> None:
    """A list makes labels multi-label, whatever the field is called."""
    rows = [{"body": "x", "tags": ["a", "b"]}, {"body": "y", "tags": []}]
    path = write(tmp_path / "a.jsonl", "".join(json.dumps(row) + "\n" for row in rows))

    found = load_labelled(path, Fields(text="body", label="tags"))

    assert found.labels == [("a", "b"), ()]
    assert found.targets().tolist() == [[1.0, 1.0], [0.0, 0.0]]


def test_a_single_label_may_hold_a_comma(tmp_path: Path) -> None:
    """Only the field called labels is cut at commas."""
    path = write(tmp_path / "a.csv", 'text,label\nx,"here, there"\n')

    assert load_labelled(path).labels == [("here, there",)]


def test_parquet_with_declared_classes(tmp_path: Path) -> None:
    """Class numbers become the names that Hugging Face metadata declares, in that order."""
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    features = {"label": {"names": ["neg", "pos"], "_type": "ClassLabel"}}
    metadata = {"huggingface": json.dumps({"info": {"features": features}})}
    table = pyarrow.table({"text": ["x", "y"], "label": [1, 0]}).replace_schema_metadata(metadata)
    parquet.write_table(table, tmp_path / "a.parquet")

    found = load_labelled(tmp_path / "a.parquet")

    assert found.labels == [("pos",), ("neg",)]
    assert found.label_names == ("neg", "pos")


def test_folder_saved_by_datasets(tmp_path: Path) -> None:
    """`save_to_disk` of a dictionary of splits: Arrow streams named in state.json."""
    pyarrow = pytest.importorskip("pyarrow")
    write(tmp_path / "dataset_dict.json", json.dumps({"splits": ["train", "validation"]}))
    for split, text in (("train", "x"), ("validation", "y")):
        folder = tmp_path / split
        folder.mkdir()
        write(folder / "state.json", json.dumps({"_data_files": [{"filename": "data-00000-of-00001.arrow"}]}))
        table = pyarrow.table({"text": [text], "label": ["a"]})
        with pyarrow.ipc.new_stream(folder / "data-00000-of-00001.arrow", table.schema) as stream:
            stream.write_table(table)

    found = load_splits(tmp_path)

    assert {name: data.texts for name, data in found.items()} == {"train": ["x"], "validation": ["y"]}


def test_folder_of_files_named_after_their_splits(tmp_path: Path) -> None:
    """`dev` means validation; all splits share one label set."""
    write(tmp_path / "train-00000.csv", "text,label\nx,a\n")
    write(tmp_path / "dev.jsonl", '{"text": "y", "label": "b"}\n')
    write(tmp_path / "notes.txt", "not data")

    found = load_splits(tmp_path)

    assert found["train"].label_names == found["validation"].label_names == ("a", "b")


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("a.csv", f"body,label\n{SECRET},y\n", "a.csv, line 2: no field 'text', found 'body', 'label'"),
        ("a.csv", f"text,label\n{SECRET},\n", "a.csv, line 2: no label: fill it in"),
        ("a.csv", f"text,label\nfine,y\n{SECRET}\n", "a.csv, line 3: not 2 fields as in the first line"),
        ("a.csv", "text,label\n", "a.csv: no rows in train"),
        ("a.jsonl", f'{{"text": "{SECRET}", "label": 1.5}}\n', "a.jsonl, line 1: a label is neither"),
        ("a.jsonl", f'{{"text": ["{SECRET}"], "label": "y"}}\n', "a.jsonl, line 1: field 'text' is not a string"),
        ("a.jsonl", f'{{"text": "x"}}\n\n{{"text: {SECRET}\n', "a.jsonl, line 1: no field 'label'"),
        ("a.jsonl", f'\n{{"text: {SECRET}\n', "a.jsonl, line 2: not JSON"),
        ("a.doc", SECRET, "a.doc: unknown kind of file"),
    ],
)
def test_mistakes_are_one_line_without_the_text(tmp_path: Path, name: str, content: str, expected: str) -> None:
    """The message names file and line and what to change, and never quotes the text."""
    path = write(tmp_path / name, content)

    with pytest.raises(DataError) as caught:
        load_labelled(path)

    message = str(caught.value)
    assert expected in message
    assert SECRET not in message
    assert "\n" not in message


def test_bytes_that_are_not_utf8(tmp_path: Path) -> None:
    """Another encoding is said to be one."""
    (tmp_path / "a.csv").write_bytes("text,label\ncaf\u00e9,y\n".encode("latin-1"))

    with pytest.raises(DataError, match="not UTF-8"):
        load_labelled(tmp_path / "a.csv")


def test_no_such_file(tmp_path: Path) -> None:
    """A path that is not there is said to be missing."""
    with pytest.raises(DataError, match="no such file or folder"):
        load_labelled(tmp_path / "a.csv")


def test_folder_without_the_wanted_split(tmp_path: Path) -> None:
    """The message says which splits there are."""
    write(tmp_path / "train.csv", "text,label\nx,a\n")

    with pytest.raises(DataError, match="holds train, needed is test or validation"):
        load_labelled(tmp_path, prefer=("test", "validation"))
