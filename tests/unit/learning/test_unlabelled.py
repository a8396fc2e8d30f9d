"""Texts without labels: which are read, and which serve for what."""

from __future__ import annotations

from pathlib import Path

import pytest

from worker.errors import DataError
from worker.learning.unlabelled import load_texts, texts_hash

CONTENT = {
    "texts.txt": "good\n\n  \nbad\ngood\n",
    "texts.csv": "id,text\n1,good\n2,\n3,bad\n4,good\n",
    "texts.tsv": "id\ttext\n1\tgood\n2\tbad\n",
    "texts.jsonl": '{"text": "good"}\n{"text": 3}\nnot json\n{"text": "bad"}\n[1]\n{"other": "x"}\n',
}


@pytest.mark.parametrize("name", CONTENT)
def test_each_text_once(tmp_path: Path, name: str) -> None:
    """Blank texts, repeats and rows without a text are left out, in every format."""
    path = tmp_path / name
    path.write_text(CONTENT[name])

    assert ["bad", "good"] == sorted(load_texts(path))


def test_the_order_is_the_same_each_time(tmp_path: Path) -> None:
    """Shuffled, so that a sorted file gives no odd sample, but never by chance."""
    path = tmp_path / "texts.txt"
    path.write_text("\n".join(map(str, range(50))))

    first, second = load_texts(path), load_texts(path)

    assert first == second
    assert first != [str(number) for number in range(50)]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("missing.txt", None, "cannot be read: No such file"),
        ("texts.docx", "x", "the name does not tell its format"),
        ("texts.txt", "\n\n", "no texts in it$"),
        ("texts.csv", "id,comment\n1,good\n", "no column 'text' among id, comment"),
        ("texts.jsonl", '{"comment": "good"}\n', "no texts in it under 'text': name it with --text-field"),
    ],
)
def test_what_cannot_be_read(tmp_path: Path, name: str, content: str | None, message: str) -> None:
    """Each mistake is one line that names the file."""
    path = tmp_path / name
    if content is not None:
        path.write_text(content)

    with pytest.raises(DataError, match=message):
        load_texts(path)


def test_a_hash_of_texts() -> None:
    """It is of the texts, not of their order."""
    assert texts_hash(["a", "b"]) == texts_hash(["b", "a"]) != texts_hash(["ab"])
