from __future__ import annotations

import io
import json
import sys
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker import files
from worker.errors import DataError
from worker.files import InputFormat, InputRow, format_of, read_rows

CSV, TSV, TXT, JSONL = InputFormat.CSV, InputFormat.TSV, InputFormat.TXT, InputFormat.JSONL


def read(content: bytes, kind: InputFormat, *, column: str | None = None) -> list[InputRow]:
    return list(read_rows(io.BytesIO(content), kind, name="texts", column=column))


@pytest.mark.parametrize(
    ("name", "kind"),
    [("a.txt", TXT), ("a.CSV", CSV), ("b/a.tsv", TSV), ("a.ndjson", JSONL), ("a.parquet", InputFormat.PARQUET)],
)
def test_format_by_suffix(name: str, kind: InputFormat) -> None:
    """The suffix says the format, in upper or lower case."""
    assert kind is format_of(Path(name))


def test_unknown_suffix() -> None:
    """A name that does not tell its format says which option does."""
    with pytest.raises(DataError, match="--input-format"):
        format_of(Path("texts.docx"))


@given(lines=st.lists(st.binary(max_size=20).map(lambda line: line.replace(b"\n", b"").rstrip(b"\r"))))
def test_lines_are_numbered_bytes(lines: list[bytes]) -> None:
    """Each line of text or JSON is handed on as it is, numbered from 1, whatever it holds and however it ends."""
    rows = read(b"".join(line + b"\r\n" for line in lines), TXT)

    assert [InputRow(number, line) for number, line in enumerate(lines, start=1)] == rows


def test_the_last_line_needs_no_end() -> None:
    """A file without a newline at its end has as many lines."""
    assert [b"one", b"", b"two"] == [row.value for row in read(b"one\n\ntwo", JSONL)]


def test_an_endless_line_is_no_text(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file without newlines does not fill the memory: it is refused where a line is longer than any text."""
    monkeypatch.setattr(files, "LONGEST_LINE", 100)

    with pytest.raises(DataError, match="line 2: longer than 100 bytes"):
        read(b"short\n" + b"x" * 1000, TXT)


@pytest.mark.parametrize(("kind", "separator"), [(CSV, ","), (TSV, "\t")])
def test_columns_become_an_object(kind: InputFormat, separator: str) -> None:
    """A row is a JSON object of its columns, with quotes and line breaks within fields; an empty line is no row."""
    content = f'\ufeffid{separator}text\n1{separator}"a ""b""{separator}\nc"\n\n2{separator}é\n'.encode()

    rows = [(row.number, json.loads(row.value)) for row in read(content, kind, column="text")]

    assert [(1, {"id": "1", "text": f'a "b"{separator}\nc'}), (2, {"id": "2", "text": "é"})] == rows


def test_a_row_with_another_number_of_fields() -> None:
    """A row that cannot be matched to the columns keeps its number and says what is wrong; the next one is fine."""
    broken, fine = read(b"id,text\n1,a,b\n2,c\n", CSV)

    assert (1, "3 fields, the first line names 2: quote the field or mend the row") == (broken.number, broken.problem)
    assert {"id": "2", "text": "c"} == json.loads(fine.value)


def test_bytes_that_are_not_utf8_come_out_as_they_went_in() -> None:
    """A field in another encoding is not repaired in silence: who reads the row sees that it is not UTF-8."""
    (row,) = read(b"text\ncaf\xe9\n", CSV)

    assert b"caf\xe9" in row.value


def test_missing_column() -> None:
    """A file without the text's column is refused at once, with the columns it has."""
    with pytest.raises(DataError, match="no column 'text' among id, comment: name the text's with --text-field"):
        read_rows(io.BytesIO(b"id,comment\n1,a\n"), CSV, name="texts", column="text")


def test_an_unclosed_quote(monkeypatch: pytest.MonkeyPatch) -> None:
    """A quote that swallows the rest of the file is noticed."""
    monkeypatch.setattr(files, "LONGEST_LINE", 100)

    with pytest.raises(DataError, match=r"after row 1: .* is a quote not closed"):
        read(b'text\nfine\n"' + b"x" * 1000, CSV)


@pytest.mark.parametrize("kind", [TXT, CSV, TSV, JSONL])
def test_an_empty_file(kind: InputFormat) -> None:
    """A file without anything has no rows."""
    assert [] == read(b"", kind, column="text")


def test_the_stream_stays_the_callers() -> None:
    """Reading to the end does not close the file."""
    stream = io.BytesIO(b"text\na\n")

    list(read_rows(stream, CSV, name="texts", column=None))

    assert not stream.closed


def test_parquet(tmp_path: Path) -> None:
    """Rows of a Parquet file are JSON objects; what JSON has no form for is text, a missing value is null."""
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    columns = {"text": ["a", None], "price": [Decimal("1.50"), Decimal("2.00")], "raw": [b"x", b"y"]}
    parquet.write_table(pyarrow.table(columns), tmp_path / "texts.parquet")

    rows = read((tmp_path / "texts.parquet").read_bytes(), InputFormat.PARQUET, column="text")

    expected = [{"text": "a", "price": "1.50", "raw": "x"}, {"text": None, "price": "2.00", "raw": "y"}]
    assert expected == [json.loads(row.value) for row in rows]


@pytest.mark.parametrize("content", [b"", b"no parquet at all"])
def test_a_broken_parquet_file(content: bytes) -> None:
    """A file that only says it is Parquet is refused in one line."""
    pytest.importorskip("pyarrow")

    with pytest.raises(DataError, match="texts: cannot be read as Parquet"):
        read(content, InputFormat.PARQUET)


def test_parquet_without_pyarrow(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a light installation Parquet says what to install."""
    monkeypatch.setitem(sys.modules, "pyarrow", None)

    with pytest.raises(DataError, match=r"pip install 'emostream\[learning\]'"):
        read(b"", InputFormat.PARQUET)
