"""From a model's name to scores: every way to an engine, over a tiny model with random weights."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from structlog.testing import capture_logs

from tests.onnx_file import write_onnx
from tests.tiny_bert import LABELS, MAX_LENGTH, Weights, exported_folder, save_tiny_bert, save_tokenizer, texts
from worker.errors import ExportError, ModelError
from worker.inference import export
from worker.inference.engine import Engine, EngineOptions
from worker.inference.loading import load_engine
from worker.records import Encoded, Prediction, Task

pytestmark = pytest.mark.torch


@contextmanager
def loaded(folder: Path, *, backend: str = "auto", precision: str = "float32", **options: int) -> Iterator[Engine]:
    engine = load_engine(str(folder), backend=backend, precision=precision, options=EngineOptions(**options))
    try:
        yield engine
    finally:
        engine.close()


def scores(engine: Engine, request: list[str]) -> np.ndarray:
    encoded = [each for each in engine.encode(request) if isinstance(each, Encoded)]
    return np.stack([each.scores for each in engine.predict(encoded).results if isinstance(each, Prediction)])


def scores_of(folder: Path, **how: object) -> np.ndarray:
    with loaded(folder, **how) as engine:  # type: ignore[arg-type]
        return scores(engine, texts(40))


def test_a_checkpoint_is_exported_once(checkpoint: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A Hugging Face folder runs on OpenVINO, from an export that is made the first time and found from then on."""
    with loaded(checkpoint) as first:
        described = first.info
        before = scores(first, texts(20))
    monkeypatch.setattr(export, "export_openvino", None)

    with loaded(checkpoint) as second:
        after = scores(second, texts(20))

    assert ("openvino", "float32", "cpu") == (described.backend, described.precision, described.device)
    assert (LABELS, Task.SINGLE_LABEL, MAX_LENGTH) == (described.labels, described.task, described.max_length)
    assert 1 == len(list(cache.iterdir()))
    assert before.tolist() == after.tolist()


def test_backends_agree(checkpoint: Path) -> None:
    """Both backends give the same probabilities in float32, through the whole engine."""
    np.testing.assert_allclose(
        scores_of(checkpoint, backend="openvino"), scores_of(checkpoint, backend="torch"), atol=1e-5
    )


def test_scores_do_not_depend_on_neighbours(checkpoint: Path) -> None:
    """Through tokenizer, packing and model a text scores the same alone and among others (invariant 6)."""
    request = texts(40)
    with loaded(checkpoint, cache_size=0, max_batch_tokens=256) as engine:
        together = scores(engine, request)
        alone = np.concatenate([scores(engine, [text]) for text in request])

    np.testing.assert_allclose(together, alone, atol=1e-4)


def test_multi_label(tmp_path: Path) -> None:
    """A multi-label checkpoint's scores are the same logits' sigmoids."""
    folder = save_tiny_bert(tmp_path / "multi", problem_type="multi_label_classification")

    with loaded(folder, backend="torch") as engine:
        multi, described = scores(engine, texts(5)), engine.info

    single = scores_of(save_tiny_bert(tmp_path / "single"), backend="torch")[:5]
    odds = multi / (1 - multi)
    assert described.task is Task.MULTI_LABEL
    np.testing.assert_allclose(odds / odds.sum(axis=1, keepdims=True), single, atol=1e-4)


@pytest.mark.parametrize(("weights", "limit"), [("float32", 1e-5), ("float16", 0.01), ("int8", 0.03)])
def test_an_exported_folder_is_a_model(checkpoint: Path, weights: Weights, limit: float) -> None:
    """What `export_openvino` writes is a model folder, close to the original as far as its stored weights allow."""
    difference = np.abs(scores_of(exported_folder(weights)) - scores_of(checkpoint, backend="torch")).max()

    assert difference <= limit


def test_smaller_weights_make_smaller_files() -> None:
    """Weights stored in 16 and 8 bits take about a half and a quarter of the space."""
    forms: list[Weights] = ["float32", "float16", "int8"]

    large, half, quarter = ((exported_folder(form) / "openvino_model.bin").stat().st_size for form in forms)

    assert half < 0.6 * large
    assert quarter < 0.4 * large


WITHOUT_TORCH = """
import sys
sys.modules["torch"] = sys.modules["transformers"] = None
from worker.inference.loading import load_engine
engine = load_engine(sys.argv[1])
print(len(engine.predict(engine.encode(["i am happy"])).results))
engine.close()
"""


def run_without_torch(folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", WITHOUT_TORCH, str(folder)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)


def test_ir_runs_without_torch(ir: Path) -> None:
    """An exported model needs no torch."""
    done = run_without_torch(ir)

    assert ("1", 0) == (done.stdout.splitlines()[-1], done.returncode)


def test_a_checkpoint_without_torch_says_what_to_install(checkpoint: Path) -> None:
    """A checkpoint that is not exported yet needs torch once, and says so in one line."""
    assert run_without_torch(checkpoint).stderr.splitlines()[-1].endswith("pip install 'emostream[torch]'")


def test_falls_back_to_torch(checkpoint: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where an architecture cannot be exported, torch runs it and a line says so; asked for OpenVINO, it is refused."""

    def refuse(*_: object, **__: object) -> None:
        raise ExportError("this architecture cannot be exported")

    monkeypatch.setattr(export, "export_openvino", refuse)

    with capture_logs() as lines, loaded(checkpoint) as engine:
        backend = engine.info.backend
    with pytest.raises(ModelError, match="cannot be exported"):
        load_engine(str(checkpoint), backend="openvino")

    assert ("torch", "model.not_exported") == (backend, lines[0]["event"])


def test_a_wrong_export_is_noticed(checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An export whose logits are not torch's is refused, not shipped."""

    class Shifted(export._Logits):
        def forward(self, input_ids: Any, attention_mask: Any) -> Any:
            return super().forward(input_ids, attention_mask) + 1

    monkeypatch.setattr(export, "_Logits", Shifted)

    with pytest.raises(ExportError, match="differ from torch's"):
        export.export_openvino(checkpoint, tmp_path, weights="float32")


def test_a_checkpoint_without_a_head(tmp_path: Path) -> None:
    """An encoder that was never fine-tuned would answer at random: it is refused."""
    folder = save_tiny_bert(tmp_path, head=False)

    with pytest.raises(ModelError, match="emostream train"):
        load_engine(str(folder), backend="torch")


def test_a_quantized_model_runs_only_when_asked(ir: Path, tmp_path: Path) -> None:
    """A quantized IR is refused unless int8 is asked for, and int8 is refused on a model that is not quantized."""
    folder = tmp_path / "quantized"
    shutil.copytree(ir, folder)
    quantize(folder)

    with loaded(folder, precision="int8") as engine:
        described = engine.info
    for refused, precision in ((folder, "auto"), (folder, "float32"), (ir, "int8")):
        with pytest.raises(ModelError, match="int8 needs a quantized model"):
            load_engine(str(refused), precision=precision)

    assert ("openvino", "int8") == (described.backend, described.precision)


def quantize(folder: Path) -> None:
    import nncf
    import openvino as ov

    model = ov.Core().read_model(folder / "openvino_model.xml")
    random = np.random.default_rng(0)
    samples = [
        {"input_ids": random.integers(4, 70, (1, 12)), "attention_mask": np.ones((1, 12), dtype=np.int64)}
        for _ in range(4)
    ]
    quantized = nncf.quantize(model, nncf.Dataset(samples), subset_size=4, model_type=nncf.ModelType.TRANSFORMER)
    (folder / "openvino_model.xml").unlink()
    (folder / "openvino_model.bin").unlink()
    ov.save_model(quantized, folder / "openvino_model.xml", compress_to_fp16=False)


@pytest.fixture
def onnx(checkpoint: Path, tmp_path: Path) -> Path:
    """A folder with an ONNX file, and the table of logits that it sums up."""
    folder = tmp_path / "onnx"
    size = save_tokenizer(folder)
    shutil.copy(checkpoint / "config.json", folder)
    table = np.random.default_rng(0).normal(size=(size, len(LABELS))).astype(np.float32)
    np.save(tmp_path / "table.npy", table)
    write_onnx(folder / "model.onnx", table)
    return folder


def test_an_onnx_file(onnx: Path, tmp_path: Path) -> None:
    """A folder with `model.onnx` runs on OpenVINO as it is; padding does not count."""
    table = np.load(tmp_path / "table.npy")
    with loaded(onnx) as engine:
        encoded = [each for each in engine.encode(texts(30)) if isinstance(each, Encoded)]
        actual = scores(engine, texts(30))

    logits = np.stack([table[each.ids].sum(axis=0) for each in encoded])
    weights = np.exp(logits - logits.max(axis=1, keepdims=True))
    np.testing.assert_allclose(actual, weights / weights.sum(axis=1, keepdims=True), atol=1e-4)


def test_a_dynamically_quantized_onnx_file(onnx: Path) -> None:
    """Activations scaled by the whole micro-batch would make neighbours matter: refused."""
    write_onnx(onnx / "model.onnx", np.zeros((100, 6), dtype=np.float32), operator="DynamicQuantizeLinear")

    with pytest.raises(ModelError, match="depend on its neighbours"):
        load_engine(str(onnx))


def test_labels_that_are_not_the_models(onnx: Path) -> None:
    """A file with another number of logits than the configuration has labels is refused."""
    write_onnx(onnx / "model.onnx", np.zeros((100, 4), dtype=np.float32))

    with pytest.raises(ModelError, match=r"4 logits, but config\.json names 6 labels"):
        load_engine(str(onnx))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [("model.onnx", b"junk", "OpenVINO cannot read this model"), ("openvino_model.xml", b"<net/>", "cannot read")],
)
def test_a_broken_file(onnx: Path, name: str, content: bytes, message: str) -> None:
    """A file that OpenVINO cannot read is named, in one line."""
    (onnx / name).write_bytes(content)

    with pytest.raises(ModelError, match=message) as refused:
        load_engine(str(onnx))

    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        ({"backend": "tensorflow"}, "'tensorflow' is not known"),
        ({"backend": "openvino", "device": "cuda"}, "runs on the CPU"),
        ({"backend": "openvino", "precision": "float16"}, "float16 is not offered by openvino"),
        ({"backend": "torch", "precision": "int8"}, "int8 is not offered by torch"),
        ({"backend": "torch", "device": "cuda:99"}, "cuda:99 is not there"),
        ({"backend": "torch", "device": "abacus"}, "'abacus' is not known"),
        ({"device": "abacus"}, "'abacus' is not known"),
    ],
)
def test_impossible_choices(checkpoint: Path, choice: dict[str, str], message: str) -> None:
    """A backend, device or precision that is not there is refused, with what there is."""
    with pytest.raises(ModelError, match=message):
        load_engine(str(checkpoint), **choice)


def test_torch_needs_safetensors(ir: Path) -> None:
    """Asked for torch, a model that is there only as IR says so."""
    with pytest.raises(ModelError, match=r"no model\.safetensors"):
        load_engine(str(ir), backend="torch")


def test_a_models_own_policy_is_found(ir: Path, tmp_path: Path) -> None:
    """The engine knows the policy file in the model's folder."""
    folder = tmp_path / "with policy"
    shutil.copytree(ir, folder)
    (folder / "policy.json").write_text("{}")

    with loaded(folder) as engine, loaded(ir) as bare:
        found = (engine.policy_file, bare.policy_file)

    assert (folder / "policy.json", None) == found


def test_workers_as_set(ir: Path) -> None:
    """A fixed number of workers is what runs, with the same scores."""
    np.testing.assert_allclose(scores_of(ir, workers=3, max_batch_tokens=128), scores_of(ir, workers=1), atol=1e-4)
