"""What every backend promises (`worker.ports.Backend`): one suite over the real ones and the shipped stub."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from worker.errors import EngineLost
from worker.inference.activation import activate
from worker.inference.cpus import WorkerPlan
from worker.ports import Backend
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


def torch_backend(folder: Path, precision: str) -> Backend:
    import torch

    from worker.inference.torch_backend import load_torch

    return load_torch(folder, device=torch.device("cpu"), precision=precision, cpus=2, workers=2)


def openvino_backend(folder: Path, precision: str) -> Backend:
    from worker.inference.openvino_backend import OpenVinoModel

    model = OpenVinoModel(folder / "openvino_model.xml")
    return model.compile(precision=precision, plan=WorkerPlan(workers=2, threads=1))


BACKENDS: dict[str, tuple[Callable[[Path, str], Backend] | None, str, str, float]] = {
    "stub": (None, "", "", 1e-5),
    "torch float32": (torch_backend, "checkpoint", "float32", 1e-4),
    "torch bfloat16": (torch_backend, "checkpoint", "bfloat16", 0.02),
    "openvino float32": (openvino_backend, "ir", "float32", 1e-4),
    "openvino bfloat16": (openvino_backend, "ir", "bfloat16", 0.02),
    "openvino float32, weights stored as int8": (openvino_backend, "int8_ir", "float32", 1e-4),
}


@pytest.fixture(scope="module", params=BACKENDS)
def subject(request: pytest.FixtureRequest) -> Iterator[Subject]:
    load, folder, precision, tolerance = BACKENDS[request.param]
    if "bfloat16" in request.param and load is openvino_backend:
        from worker.inference.openvino_backend import computes_bfloat16

        if not computes_bfloat16():
            pytest.skip("this CPU does not compute in bfloat16")
    backend = StubBackend(concurrency=2) if load is None else load(request.getfixturevalue(folder), precision)
    yield Subject(backend, tolerance)
    backend.close()


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


@pytest.mark.parametrize(
    ("load", "folder"), [(torch_backend, "checkpoint"), (openvino_backend, "ir")], ids=["torch", "openvino"]
)
def test_closed(load: Callable[[Path, str], Backend], folder: str, request: pytest.FixtureRequest) -> None:
    """Closing twice is harmless; a closed backend says that it is lost, and does not block."""
    backend = load(request.getfixturevalue(folder), "float32")

    backend.close()
    backend.close()

    with pytest.raises(EngineLost):
        backend.run(*padded([[5]]))


@pytest.mark.parametrize("name", [name for name in BACKENDS if name != "stub"])
def test_agreement_with_float32(name: str, request: pytest.FixtureRequest, checkpoint: Path) -> None:
    """Every backend and precision gives the probabilities of torch in float32: 1e-5 in float32, 0.03 in bfloat16 and
    with weights stored as int8."""
    load, folder, precision, _ = BACKENDS[name]
    assert load is not None
    random = np.random.default_rng(0)
    texts = [random.integers(FIRST_ID, LAST_ID, size=1 + n % 40).tolist() for n in range(64)]
    reference = Subject(torch_backend(checkpoint, "float32"), 0)

    actual = scores(Subject(load(request.getfixturevalue(folder), precision), 0), texts)

    limit = 1e-5 if precision == "float32" and folder != "int8_ir" else 0.03
    assert np.abs(actual - scores(reference, texts)).max() <= limit
