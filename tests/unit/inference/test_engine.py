from __future__ import annotations

import threading
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests.unit.inference.words import classify, engine, info
from worker.errors import DeadReason, EngineFailed, EngineLost, ModelError, RecordError, Stage
from worker.inference.engine import EngineOptions
from worker.ports import Filling, Inferred
from worker.records import Encoded, Prediction, Task
from worker.testing import FakeClock, StubBackend

POISON = "w900"
POISON_ID = 904  # behind the four special tokens
TEXTS = st.lists(st.lists(st.integers(0, 30), min_size=1, max_size=70), max_size=60).map(
    lambda texts: [" ".join(f"w{word}" for word in text) for text in texts]
)
NO_CACHE = EngineOptions(cache_size=0)


def scores(inferred: Inferred) -> list[NDArray[np.float32]]:
    return [result.scores for result in inferred.results if isinstance(result, Prediction)]


def distinct_texts(count: int) -> list[str]:
    return [" ".join(f"w{number % 800}" for number in range(n, n + 1 + n % 13)) for n in range(count)]


@given(texts=TEXTS, seed=st.randoms(use_true_random=False))
def test_scores_depend_on_the_text_alone(texts: list[str], seed: object) -> None:
    """A text's scores are the same alone, among any neighbours, in any order, and the second time (invariant 6)."""
    alone = {text: scores(classify(engine(StubBackend()), [text]))[0] for text in texts}
    shuffled = list(texts)
    seed.shuffle(shuffled)  # type: ignore[attr-defined]
    subject = engine(StubBackend(concurrency=2), options=EngineOptions(max_batch_tokens=256, max_batch_size=8))

    twice = [scores(classify(subject, shuffled)), scores(classify(subject, shuffled))]

    for found in twice:
        for text, actual in zip(shuffled, found, strict=True):
            np.testing.assert_allclose(actual, alone[text], atol=1e-5)
    subject.close()


def test_results_in_the_order_of_the_request() -> None:
    """Tokens and truncation of each result are those of the text in its place."""
    lengths = [3, 50, 1, 70, 20, 2]

    inferred = classify(engine(StubBackend()), [" ".join(["w1"] * n) for n in lengths])

    found = [(each.tokens, each.truncated) for each in inferred.results if isinstance(each, Prediction)]
    assert [(5, False), (52, False), (3, False), (64, True), (22, False), (4, False)] == found


def test_activation_by_task() -> None:
    """Single-label scores sum to one; multi-label ones need not, and are the sigmoids of the same logits."""
    (single,) = scores(classify(engine(StubBackend()), ["w1 w2"]))
    (multi,) = scores(classify(engine(StubBackend(), model=info(task=Task.MULTI_LABEL)), ["w1 w2"]))

    odds = multi / (1 - multi)
    np.testing.assert_allclose(single, odds / odds.sum(), rtol=1e-4)


def test_the_energy_goes_with_the_scores_of_one_label() -> None:
    """Also when they are remembered; several labels have none."""
    subject = engine(StubBackend())
    (first,) = classify(subject, ["w1 w2"]).results
    (again,) = classify(subject, ["w1 w2"]).results
    (several,) = classify(engine(StubBackend(), model=info(task=Task.MULTI_LABEL)), ["w1 w2"]).results

    assert isinstance(first, Prediction)
    assert isinstance(again, Prediction)
    assert isinstance(several, Prediction)
    odds = several.scores / (1 - several.scores)
    assert pytest.approx(np.log(odds.sum()), rel=1e-4) == first.energy
    assert first.energy == again.energy
    assert several.energy is None


def test_identical_texts_are_computed_once() -> None:
    """Repeats within a request and of recent requests cost no forward pass, and are counted."""
    backend = StubBackend()
    subject = engine(backend)

    first = classify(subject, ["w1 w2", "w3", "w1 w2", "w1  w2"])
    second = classify(subject, ["w3", "w4"])

    assert (4, 2, 1) == (first.stats.texts, first.stats.repeated, first.stats.forward_passes)
    assert (2, 1, 1) == (second.stats.texts, second.stats.repeated, second.stats.forward_passes)
    assert (7 + 3, 8 + 3) == (
        first.stats.real_tokens + second.stats.real_tokens,
        first.stats.padded_tokens + second.stats.padded_tokens,
    )
    assert backend.passes == 2


def test_without_a_cache_only_the_request_is_deduplicated() -> None:
    """With `cache_size` 0 nothing is remembered from one request to the next."""
    subject = engine(StubBackend(), options=NO_CACHE)

    stats = [classify(subject, ["w1", "w1"]).stats for _ in range(2)]

    assert [(1, 1), (1, 1)] == [(each.repeated, each.forward_passes) for each in stats]


def test_truncated_is_the_texts_own() -> None:
    """Two texts with the same tokens, one of them cut, share scores but not the word that it was cut."""
    words = ["w1"] * 62

    inferred = classify(engine(StubBackend()), [" ".join(words), " ".join([*words, "w2"])])

    assert [False, True] == [each.truncated for each in inferred.results if isinstance(each, Prediction)]
    assert inferred.stats.forward_passes == 1


def test_one_tokenizer_call_for_a_wave_and_few_passes() -> None:
    """A wave of 512 ordinary texts costs few passes and little padding: counts, not times."""
    texts = [" ".join(f"w{number % 800}" for number in range(n, n + 8 + n % 25)) for n in range(512)]

    stats = classify(engine(StubBackend(), options=EngineOptions(max_batch_tokens=1024)), texts).stats

    assert stats.texts == 512
    assert stats.padded_tokens <= 1.05 * stats.real_tokens
    assert stats.forward_passes <= 1.6 * stats.padded_tokens / 1024


def test_a_backend_that_leaves_padding_out_has_none_to_count() -> None:
    """Then as many tokens are computed as the texts have."""
    texts = [" ".join(["w1"] * n) for n in range(1, 40)]

    stats = classify(engine(StubBackend(filling=Filling.EXACT)), texts).stats

    assert stats.real_tokens == stats.padded_tokens


@pytest.mark.parametrize("filling", Filling)
def test_out_of_memory_shrinks_the_budget_for_good(filling: Filling) -> None:
    """What does not fit is run again in smaller passes, every text gets its scores, and the budget stays small."""
    backend = StubBackend(overloaded_above=200, filling=filling)
    subject = engine(backend, options=EngineOptions(max_batch_tokens=1024, cache_size=0))
    texts = distinct_texts(100)

    first = classify(subject, texts)
    failed = backend.passes
    second = classify(subject, texts)

    assert 100 == len(scores(first)) == len(scores(second))
    unused = 63 if filling is Filling.ROWS else 0  # rows are used whole
    assert 100 <= subject.max_batch_tokens <= 200 + unused
    assert backend.passes - failed == second.stats.forward_passes
    assert second.stats.real_tokens < first.stats.real_tokens  # the failed passes, and none the second time


@pytest.mark.parametrize("filling", Filling)
def test_a_text_that_never_fits_is_isolated(filling: Filling) -> None:
    """A single text that is out of memory alone is dead; its neighbours are not."""
    subject = engine(StubBackend(overloaded_above=30, filling=filling), options=NO_CACHE)

    inferred = classify(subject, ["w1 w2", " ".join(["w3"] * 40), "w4"])

    assert [Prediction, RecordError, Prediction] == [type(each) for each in inferred.results]
    assert inferred.stats.isolated == 1


@pytest.mark.parametrize("kind", ["raises", "nan", "heavy"])
@pytest.mark.parametrize("concurrency", [1, 2])
@pytest.mark.parametrize("filling", Filling)
def test_the_poison_text_stands_alone(*, kind: str, concurrency: int, filling: Filling) -> None:
    """One text that makes the model fail, run out of memory, or give scores that are not finite, is dead alone after
    at most 2 log2(n) more passes (3 where half of the memory holds less than half of the rows); the budget of a pass is
    what it was."""
    texts = distinct_texts(64)
    texts[17] += f" {POISON}"
    options = EngineOptions(max_batch_tokens=4096, cache_size=100)
    backend = StubBackend(
        poison_id=POISON_ID,
        poison_is_nan=kind == "nan",
        poison_is_heavy=kind == "heavy",
        concurrency=concurrency,
        filling=filling,
    )
    healthy = classify(engine(StubBackend(concurrency=concurrency, filling=filling), options=options), texts)
    subject = engine(backend, options=options)

    inferred = classify(subject, texts)

    dead = {n: each for n, each in enumerate(inferred.results) if isinstance(each, RecordError)}
    assert [17] == list(dead)
    assert (Stage.INFERENCE, DeadReason.INFERENCE_FAILED) == (dead[17].stage, dead[17].reason)
    assert inferred.stats.isolated == 1
    parts = 3 if filling is Filling.ROWS and kind == "heavy" else 2
    assert inferred.stats.forward_passes <= healthy.stats.forward_passes + parts * 6
    assert subject.max_batch_tokens == 4096
    for actual, expected in zip(scores(inferred), np.delete(np.stack(scores(healthy)), 17, axis=0), strict=True):
        np.testing.assert_allclose(actual, expected, atol=1e-5)


@pytest.mark.parametrize("filling", Filling)
def test_the_poison_text_is_the_shortest_of_all(filling: Filling) -> None:
    """Also where a few short texts take as much memory as half of them would: a row has at least so many tokens."""
    backend = StubBackend(poison_id=POISON_ID, poison_is_heavy=True, filling=filling)

    inferred = classify(engine(backend, options=NO_CACHE), ["w1", POISON, "w2", "w3"])

    assert [Prediction, RecordError, Prediction, Prediction] == [type(each) for each in inferred.results]


def test_scores_that_are_not_finite_cost_one_more_pass() -> None:
    """A row that is not finite is tried once alone; its finite neighbours are kept as they are."""
    backend = StubBackend(poison_id=POISON_ID, poison_is_nan=True)

    inferred = classify(engine(backend), ["w1 w2", f"w3 {POISON}", "w4 w5"])

    assert (2, 1) == (inferred.stats.forward_passes, inferred.stats.isolated)


def test_a_failure_is_not_remembered() -> None:
    """A text that failed is tried again the next time it comes."""
    backend = StubBackend(poison_id=POISON_ID)
    subject = engine(backend)
    classify(subject, [POISON])
    backend.poison_id = None

    assert 1 == len(scores(classify(subject, [POISON])))


def test_repeats_of_a_poison_text_are_all_dead() -> None:
    """Identical texts that fail share one attempt, and each gets its error."""
    inferred = classify(engine(StubBackend(poison_id=POISON_ID)), [POISON, "w1", POISON])

    assert [RecordError, Prediction, RecordError] == [type(each) for each in inferred.results]
    assert (1, 1) == (inferred.stats.isolated, inferred.stats.repeated)


def test_nothing_to_predict() -> None:
    """An empty request costs nothing."""
    backend = StubBackend()

    inferred = engine(backend).predict([])

    assert ([], 0) == (list(inferred.results), backend.passes)


class LostBackend(StubBackend):
    """A backend that is gone."""

    def run(self, input_ids: NDArray[np.int64], attention_mask: NDArray[np.int64]) -> NDArray[np.float32]:
        raise EngineLost("the device is gone")


@pytest.mark.parametrize("concurrency", [1, 2])
def test_a_lost_backend_ends_the_request(concurrency: int) -> None:
    """When nothing can run any more, no text is blamed for it."""
    subject = engine(LostBackend(concurrency=concurrency), options=EngineOptions(max_batch_tokens=64))

    with pytest.raises(EngineLost):
        classify(subject, distinct_texts(50))


class FailingBackend(StubBackend):
    """A backend that runs nothing."""

    def run(self, input_ids: NDArray[np.int64], attention_mask: NDArray[np.int64]) -> NDArray[np.float32]:
        raise EngineFailed("an operation is missing")


def test_a_model_that_cannot_run_is_found_at_warm_up() -> None:
    """Warm-up says in one line that the model fails, before anything is consumed."""
    with pytest.raises(ModelError, match="stub fails on its first forward pass: an operation is missing"):
        engine(FailingBackend()).warm_up(FakeClock())


def test_warm_up_probes_unless_the_budget_is_set() -> None:
    """An automatic budget is probed with a few passes; one that is set is kept, with one pass."""
    automatic, fixed = StubBackend(), StubBackend()
    subjects = [engine(automatic), engine(fixed, options=EngineOptions(max_batch_tokens=300))]

    for subject in subjects:
        subject.warm_up(FakeClock())

    assert [2048, 300] == [subject.max_batch_tokens for subject in subjects]
    assert (8, 1) == (automatic.passes, fixed.passes)


class OpenGate(StubBackend):
    """Holds every pass until told to go on."""

    def __init__(self) -> None:
        super().__init__()
        self.entered, self.go_on = threading.Event(), threading.Event()

    def run(self, input_ids: NDArray[np.int64], attention_mask: NDArray[np.int64]) -> NDArray[np.float32]:
        self.entered.set()
        assert self.go_on.wait(timeout=30)
        return super().run(input_ids, attention_mask)


def test_encode_while_predicting() -> None:
    """The next wave is tokenized while this one is in the model."""
    backend = OpenGate()
    subject = engine(backend)
    first = [each for each in subject.encode(["w1"]) if isinstance(each, Encoded)]
    predicted: list[Sequence[object]] = []
    inference = threading.Thread(target=lambda: predicted.append(subject.predict(first).results))
    inference.start()
    assert backend.entered.wait(timeout=30)

    encoded = subject.encode(["w2 w3"])
    backend.go_on.set()
    inference.join(timeout=30)

    assert [4] == [each.tokens for each in encoded if isinstance(each, Encoded)]
    assert 1 == len(predicted[0])


def test_close_twice() -> None:
    """Closing is idempotent."""
    subject = engine(StubBackend(concurrency=2))
    classify(subject, distinct_texts(30))

    subject.close()
    subject.close()
