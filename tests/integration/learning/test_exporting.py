"""`emostream export` with the real nncf, over a builtin model."""

from __future__ import annotations

import gzip
import json
import sys
from pathlib import Path

import numpy as np
import orjson
import pytest
from structlog.testing import capture_logs
from typer.testing import CliRunner

from worker.cli import app
from worker.errors import ModelError
from worker.inference.agreement import LIMITS, Limit, read_agreement, write_agreement
from worker.inference.checkpoint import content_hash
from worker.inference.loading import load_engine
from worker.inference.quantization import quantized
from worker.learning.shipping import scores

pytestmark = pytest.mark.torch

MODEL = "builtin:emotion-tiny"
KNOWN = {"sadness", "joy", "anger", "fear", "surprise"}
COMMENTS = Path(__file__).parents[2] / "e2e" / "comments.jsonl.gz"


def emostream(*arguments: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, list(arguments))
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.stdout, result.stderr


@pytest.fixture(scope="module")
def labelled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Some of the comments, with their labels."""
    path = tmp_path_factory.mktemp("texts") / "labelled.jsonl"
    rows = gzip.decompress(COMMENTS.read_bytes()).splitlines(keepends=True)
    path.write_bytes(b"".join([row for row in rows if orjson.loads(row)["label"] in KNOWN][:200]))
    return path


@pytest.fixture(scope="module")
def unlabelled(labelled: Path) -> Path:
    """Other comments, without."""
    lines = gzip.decompress(COMMENTS.read_bytes()).splitlines()[-160:]
    path = labelled.parent / "unlabelled.txt"
    path.write_text("\n".join(" ".join(orjson.loads(line)["text"].split()) for line in lines))
    return path


@pytest.fixture(scope="module")
def int8(tmp_path_factory: pytest.TempPathFactory, labelled: Path, unlabelled: Path) -> Path:
    """The model in int8, exported once. Not to be written to."""
    folder = tmp_path_factory.mktemp("models") / "int8"
    given = ("--calibration", str(unlabelled), "--labelled", str(labelled))
    code, out, err = emostream("export", "--model", MODEL, "--out", str(folder), "--precision", "int8", *given)
    assert (0, "") == (code, err)
    assert "int8 against float32, 200 texts" in out
    return folder


def test_an_int8_folder_is_a_model(int8: Path, labelled: Path) -> None:
    """It is run where int8 is asked for and nowhere else, without a warning, and says what was measured."""
    record = read_agreement(int8)
    assert record is not None

    with capture_logs() as logs:
        engine = load_engine(str(int8), precision="int8")
    texts = [json.loads(line)["text"] for line in labelled.read_text().splitlines()]
    actual = scores(engine, texts)
    engine.close()
    exact = load_engine(MODEL, backend="torch", device="cpu", precision="float32")
    expected = scores(exact, texts)
    exact.close()

    assert [] == logs
    assert record.agreement.largest == pytest.approx(float(np.abs(actual - expected).max()), abs=0.01)
    assert content_hash(int8) == record.form.revision == engine.info.revision
    assert ("int8", "float32", 200) == (record.form.precision, record.reference.precision, record.agreement.texts)
    assert record.within_limits() is None
    assert None not in (record.form.accuracy, record.reference.accuracy)
    with pytest.raises(ModelError, match=r"set model\.precision: int8"):
        load_engine(str(int8))


def test_what_else_lies_beside_it(int8: Path) -> None:
    """The tables of tokens and training texts come along; a temporary folder does not stay."""
    names = {path.name for path in int8.iterdir()}

    assert {"surprise.npz", "training.json", "config.json", "openvino_model.bin", "agreement.json"} <= names
    assert [int8] == list(int8.parent.iterdir())


def test_evaluate_shows_it(int8: Path, labelled: Path, tmp_path: Path) -> None:
    """Beside the measures of an exported model stands how far it is from float32: on screen, as JSON, in the report."""
    data = ("--model", str(int8), "--precision", "int8", "--data", str(labelled))
    page = tmp_path / "report.html"

    code, out, _ = emostream("evaluate", *data, "--report", str(page))
    spoken = emostream("evaluate", *data, "--json", "-")[1]

    assert (0, True) == (code, "int8 against float32, 200 texts" in out)
    assert 200 == json.loads(spoken)["agreement"]["agreement"]["texts"]
    assert "Agreement with float32" in page.read_text()


def test_it_is_not_quantized_twice(int8: Path, unlabelled: Path, tmp_path: Path) -> None:
    """What is int8 already cannot be exported again."""
    given = ("--calibration", str(unlabelled), "--precision", "float32")

    code, _, err = emostream("export", "--model", str(int8), "--out", str(tmp_path / "again"), *given)

    assert 2 == code
    assert "the model is int8 already" in err
    assert [] == list(tmp_path.iterdir())


def test_a_form_too_far_from_float32(unlabelled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond the limits nothing is left behind; the figures are shown all the same."""
    monkeypatch.setattr("worker.inference.agreement.LIMITS", {"bfloat16": Limit(p99=0.0, same_answer=0.98)})
    given = ("--calibration", str(unlabelled), "--precision", "bfloat16")

    code, out, err = emostream("export", "--model", MODEL, "--out", str(tmp_path / "far"), *given)

    assert (2, 1) == (code, len(err.splitlines()))
    assert "is not written: probabilities differ from float32's by" in err
    assert "99th percentile" in out
    assert [] == list(tmp_path.iterdir())


def test_without_nncf(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is missing is named, with the extra that brings it."""
    monkeypatch.setitem(sys.modules, "nncf", None)

    with pytest.raises(ModelError, match=r"int8 needs nncf: pip install 'emostream\[learning\]'"):
        quantized(None, [])


def test_weights_that_nothing_is_known_of(int8: Path, tmp_path: Path) -> None:
    """A quantized folder without figures is loaded with a warning; with bad ones, or others', it is not."""
    folder = tmp_path / "foreign"
    folder.mkdir()
    for path in int8.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    record = read_agreement(folder)
    assert record is not None

    (folder / "agreement.json").unlink()
    with capture_logs() as logs:
        load_engine(str(folder), precision="int8").close()
    bad = record.agreement.model_copy(update={"same_answer": LIMITS["int8"].same_answer - 0.01})
    write_agreement(folder, record.model_copy(update={"agreement": bad}))

    assert ["model.agreement_unknown"] == [each["event"] for each in logs if each["log_level"] == "warning"]
    with pytest.raises(ModelError, match="get another answer than in float32"):
        load_engine(str(folder), precision="int8")


@pytest.mark.parametrize(("precision", "largest"), [("float32", 1e-5), ("bfloat16", 0.03)])
def test_floats_agree(precision: str, largest: float, labelled: Path, unlabelled: Path, tmp_path: Path) -> None:
    """A builtin model exported in floats gives float32's probabilities, and the answers of 99 % of the texts."""
    from worker.inference.openvino_backend import computes_bfloat16

    if precision == "bfloat16" and not computes_bfloat16():
        pytest.skip("this CPU does not compute in bfloat16")
    out = tmp_path / precision
    out.mkdir()

    code, _, _ = emostream(
        *("export", "--model", MODEL, "--out", str(out), "--precision", precision, "--labelled", str(labelled))
    )

    record = read_agreement(out)
    assert (0, precision) == (code, record and record.form.precision)
    assert record is not None
    assert record.agreement.largest <= largest
    assert record.agreement.same_answer >= 0.99
