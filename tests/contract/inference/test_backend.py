"""What every backend promises (`worker.ports.Backend`): one suite over the real ones and the shipped stub."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests.onnx_file import write_onnx
from tests.tiny_bert import Weights, checkpoint_folder, exported_folder, quantized_folder
from worker.errors import EngineLost
from worker.inference.activation import activate, energies
from worker.inference.cpus import WorkerPlan
from worker.ports import Backend, Filling
from worker.records import Task
from worker.testing import StubBackend

pytestmark = pytest.mark.torch

PAD_ID = 0
FIRST_ID, LAST_ID = 4, 70
TEXTS = st.lists(st.lists(st.integers(FIRST_ID, LAST_ID), min_size=1, max_size=30), min_size=2, max_size=8)


@dataclass(frozen=True)
class Subject:
    """A backend under test; `tolerance` is of probabilities."""

    backend: Backend
    tolerance: float


def torch_backend(precision: str) -> Backend:
    import torch

    from worker.inference.torch_backend import load_torch

    return load_torch(checkpoint_folder(), device=torch.device("cpu"), precision=precision, cpus=2, workers=2)


def packed_backend() -> Backend:
    """As on a GPU, but with plain attention."""
    import torch

    from tests.integration.inference.tiny_families import looped_attention
    from worker.inference.packing_choice import packed_or_padded
    from worker.inference.torch_backend import TorchBackend, load_model
    from worker.inference.torch_lanes import HostLane

    cpu = torch.device("cpu")
    layout, _ = packed_or_padded(load_model(checkpoint_folder()), cpu, looped_attention)
    assert not layout.pads
    return TorchBackend(layout, [HostLane(threads=1) for _ in range(2)], device=cpu)


def openvino_backend(precision: str, weights: Weights = "float32") -> Backend:
    from worker.inference.openvino_backend import OpenVinoModel, computes_bfloat16

    if precision == "bfloat16" and not computes_bfloat16():
        pytest.skip("this CPU does not compute in bfloat16")
    folder = quantized_folder() if precision == "int8" else exported_folder(weights)
    model = OpenVinoModel(folder / "openvino_model.xml")
    backend = model.compile(precision=precision, plan=WorkerPlan(workers=2, threads=1))
    assert backend.filling is Filling.ROWS
    return backend


def padding_backend() -> Backend:
    """OpenVINO with a graph whose texts cannot share rows."""
    from worker.inference.openvino_backend import OpenVinoModel

    with TemporaryDirectory() as folder:
        file = Path(folder) / "model.onnx"
        write_onnx(file, np.random.default_rng(2).normal(size=(LAST_ID + 1, 3)).astype(np.float32))
        backend = OpenVinoModel(file).compile(precision="float32", plan=WorkerPlan(workers=2, threads=1))
    assert backend.filling is Filling.PADDED
    return backend


BACKENDS: dict[str, Callable[[], Subject]] = {
    "stub": lambda: Subject(StubBackend(concurrency=2), 1e-5),
    "torch float32": lambda: Subject(torch_backend("float32"), 1e-4),
    "torch float32, packed": lambda: Subject(packed_backend(), 1e-4),
    "torch bfloat16": lambda: Subject(torch_backend("bfloat16"), 0.02),
    "openvino float32, padded": lambda: Subject(padding_backend(), 1e-4),
    "openvino float32": lambda: Subject(openvino_backend("float32"), 1e-4),
    "openvino bfloat16": lambda: Subject(openvino_backend("bfloat16"), 0.02),
    "openvino float32, weights stored as int8": lambda: Subject(openvino_backend("float32", "int8"), 1e-4),
    # a value between two steps of a scale, which is fixed, may fall to either
    "openvino int8": lambda: Subject(openvino_backend("int8"), 0.02),
}


@pytest.fixture(scope="module", params=BACKENDS)
def subject(request: pytest.FixtureRequest) -> Iterator[Subject]:
    made = BACKENDS[request.param]()
    yield made
    made.backend.close()


def padded(texts: list[list[int]], *, length: int = 0) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    longest = max(length, *map(len, texts))
    ids = np.array([text + [PAD_ID] * (longest - len(text)) for text in texts], dtype=np.int64)
    mask = np.array([[1] * len(text) + [0] * (longest - len(text)) for text in texts], dtype=np.int64)
    return ids, mask


def scores(subject: Subject, texts: list[list[int]], *, length: int = 0) -> NDArray[np.float32]:
    return activate(subject.backend.run(*padded(texts, length=length)), Task.SINGLE_LABEL)


def test_float32_logits_for_each_text(subject: Subject) -> None:
    """Logits are finite float32, one row for each text, whatever the precision inside."""
    logits = subject.backend.run(*padded([[5, 6, 7], [8]]))

    assert (np.float32, 2) == (logits.dtype, logits.shape[0])
    assert np.isfinite(logits).all()


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(texts=TEXTS, extra=st.integers(0, 20))
def test_rows_are_independent(subject: Subject, texts: list[list[int]], extra: int) -> None:
    """A text's scores depend on neither its neighbours nor their order nor the padding (invariant 6)."""
    alone = np.concatenate([scores(subject, [text]) for text in texts])

    together = scores(subject, texts, length=max(map(len, texts)) + extra)
    reversed_order = scores(subject, texts[::-1])[::-1]

    np.testing.assert_allclose(together, alone, atol=subject.tolerance)
    np.testing.assert_allclose(reversed_order, alone, atol=subject.tolerance)


def test_the_long_text_does_not_change_the_short_one(subject: Subject) -> None:
    """Beside a text with the largest values there are, a short one keeps its scores: no scale is shared."""
    short = [9, 10, 11]
    long = [FIRST_ID + n % (LAST_ID - FIRST_ID) for n in range(60)]

    beside = scores(subject, [long, short, long])[1]

    np.testing.assert_allclose(beside, scores(subject, [short])[0], atol=subject.tolerance)


def test_the_energy_is_the_texts_own(subject: Subject) -> None:
    """The log-sum-exp of a text's logits, too, depends on neither its neighbours nor the padding."""
    texts = [[9, 10, 11], [5 + n for n in range(40)]]
    alone = np.concatenate([energies(subject.backend.run(*padded([text]))) for text in texts])

    together = energies(subject.backend.run(*padded(texts, length=50)))

    np.testing.assert_allclose(together, alone, rtol=subject.tolerance, atol=5 * subject.tolerance)


def test_as_many_calls_at_once_as_it_says(subject: Subject) -> None:
    """`concurrency` threads may call at once, and each gets the answer to its own question."""
    questions = [[[FIRST_ID + n, 20 + n]] for n in range(24)]
    expected = [scores(subject, question) for question in questions]

    with ThreadPoolExecutor(subject.backend.concurrency) as threads:
        answers = list(threads.map(lambda question: scores(subject, question), questions))

    np.testing.assert_allclose(answers, expected, atol=subject.tolerance)
    assert subject.backend.concurrency == 2


def test_answers_are_the_callers_to_keep(subject: Subject) -> None:
    """A later call does not overwrite what an earlier one returned."""
    first = subject.backend.run(*padded([[5, 6], [7, 8]]))
    kept = first.copy()

    subject.backend.run(*padded([[30, 31], [32, 33]]))

    assert kept.tolist() == first.tolist()


@pytest.mark.parametrize("load", [torch_backend, openvino_backend])
def test_closed(load: Callable[[str], Backend]) -> None:
    """Closing twice is harmless; a closed backend says that it is lost, and does not block."""
    backend = load("float32")

    backend.close()
    backend.close()

    with pytest.raises(EngineLost):
        backend.run(*padded([[5]]))


@pytest.mark.parametrize(
    ("name", "limit"),
    [
        ("openvino float32", 1e-5),
        ("torch bfloat16", 0.03),
        ("openvino bfloat16", 0.03),
        ("openvino float32, weights stored as int8", 0.03),
        ("openvino int8", 0.2),
    ],
)
def test_agreement_with_float32(name: str, limit: float) -> None:
    """Every backend and precision gives the probabilities of torch in float32, within the limit stated for it."""
    random = np.random.default_rng(0)
    texts = [random.integers(FIRST_ID, LAST_ID, size=1 + n % 40).tolist() for n in range(64)]
    reference, actual = BACKENDS["torch float32"](), BACKENDS[name]()

    difference = np.abs(scores(actual, texts) - scores(reference, texts)).max()

    assert difference <= limit
    for each in (reference, actual):
        each.backend.close()
