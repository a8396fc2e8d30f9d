"""`emostream classify` over real files and a real, tiny model."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

from schemas.classified import CLASSIFIED_LINE
from tests.tiny_bert import texts
from worker.cli import app

pytestmark = pytest.mark.torch
FULL = Path("/dev/full")


def classify(*arguments: str, stdin: bytes | None = None) -> Result:
    return CliRunner().invoke(app, ["classify", *arguments], input=stdin, prog_name="emostream")


def lines(content: str) -> list[Any]:
    found = [json.loads(line) for line in content.splitlines()]
    for line in found:
        CLASSIFIED_LINE.validate_python(line)
    return found


def without_time(found: Sequence[Any]) -> list[Any]:
    """What must be the same whenever it is made, wherever it stood."""
    return [{key: line.get(key) for key in ("outcome", "labels", "confidence", "scores", "tokens")} for line in found]


def test_every_format_gives_the_same(ir: Path, tmp_path: Path) -> None:
    """The same texts get the same scores from text, CSV, TSV, JSON lines and standard input, in their order."""
    request = texts(30)
    contents = {
        "texts.txt": "\n".join(request),
        "texts.csv": "text,id\n" + "".join(f'"{text}",1\n' for text in request),
        "texts.tsv": "id\ttext\n" + "".join(f"1\t{text}\n" for text in request),
        "texts.jsonl": "".join(json.dumps({"text": text}) + "\n" for text in request),
    }
    found = [lines(classify("--model", str(ir), stdin=contents["texts.txt"].encode()).stdout)]
    for name, content in contents.items():
        (tmp_path / name).write_text(content)
        output = tmp_path / f"{name}.out"
        assert 0 == classify("--model", str(ir), "--input", str(tmp_path / name), "--output", str(output)).exit_code
        found.append(lines(output.read_text()))

    assert request == [line["payload"]["text"] for line in found[0]]
    assert [without_time(found[0])] * 5 == [without_time(each) for each in found]


def test_min_confidence(ir: Path) -> None:
    """Without a policy, what is below `--min-confidence` is abstained, and says why."""
    request = "\n".join(texts(10)).encode()

    sure, unsure = (
        lines(classify("--model", str(ir), "--min-confidence", limit, stdin=request).stdout) for limit in ("0", "1")
    )

    assert {("accepted", ())} == {(line["outcome"], tuple(line["reasons"])) for line in sure}
    assert {("abstained", ("low_confidence",))} == {(line["outcome"], tuple(line["reasons"])) for line in unsure}


def test_a_pointer_into_nested_json(ir: Path) -> None:
    """A text field that begins with / is a JSON pointer."""
    request = b'{"data": {"body": "i am happy"}}\n'

    ran = classify("--model", str(ir), "--input-format", "jsonl", "--text-field", "/data/body", stdin=request)

    (line,) = lines(ran.stdout)
    assert {"data": {"body": "i am happy"}} == line["payload"]


@pytest.mark.skipif(not FULL.exists(), reason="there is no full device here")
@pytest.mark.parametrize("to_stdout", [False, True])
def test_a_full_output_is_one_line(ir: Path, to_stdout: bool) -> None:
    """A file system without room ends the program with exit code 1 and what to know, without a traceback."""
    command = [sys.executable, "-m", "worker", "classify", "--model", str(ir)]
    with FULL.open("wb") as full:
        ran = subprocess.run(
            command if to_stdout else [*command, "--output", str(FULL)],
            input="\n".join(texts(10)).encode(),
            stdout=full if to_stdout else subprocess.PIPE,
            stderr=subprocess.PIPE,
            check=False,
        )

    said = ["emostream: the output cannot be written, what is there is not whole: No space left on device"]
    assert (1, said) == (ran.returncode, ran.stderr.decode().splitlines())


def test_an_unusable_model(tmp_path: Path) -> None:
    """A model that cannot be loaded is one line and exit code 2."""
    ran = classify("--model", str(tmp_path), stdin=b"a text")

    assert (2, 1) == (ran.exit_code, len(ran.stderr.splitlines()))
