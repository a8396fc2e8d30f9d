"""Training runs of seconds over a toy language in which one word decides the label."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from schemas.policy import load_policy
from worker.decision.policy import rule_for
from worker.errors import DataError, ModelError
from worker.learning.datasets import LabelledTexts

pytest.importorskip("torch")

from worker.inference.loading import load_engine
from worker.learning.bases import NewEncoder, load_base, new_encoder
from worker.learning.distillation import Distillation, spliced
from worker.learning.encoding import EncodedTexts
from worker.learning.evaluate import judge_model
from worker.learning.fitting import Fit, FitOptions, Task, score
from worker.learning.head import fold
from worker.learning.linear_floor import FloorScore
from worker.learning.metrics import accuracy
from worker.learning.train import EpochReport, TrainOptions, train

pytestmark = pytest.mark.torch

LABELS = ("bad", "good", "odd")
WORDS = {"bad": "awful", "good": "lovely", "odd": "strange"}
FILLER = "the a it was film day we saw had this one very".split()  # noqa: SIM905
SMALL = NewEncoder(layers=1, width=32, heads=2, vocabulary=150, positions=32, initial_spread=0.2)
QUICK = FitOptions(
    epochs=10,
    patience=10,
    learning_rate=5e-3,
    head_learning_rate=5e-3,
    batch_tokens=128,
    precision="float32",
    device="cpu",
)


class Silent:
    """A TrainObserver that keeps what it is told."""

    def __init__(self) -> None:
        self.epochs: list[EpochReport] = []
        self.floors: list[FloorScore] = []
        self.steps = 0

    def started(self, parameters: int, *, train: int, validation: int) -> None: ...

    def floored(self, floor: FloorScore) -> None:
        self.floors.append(floor)

    def step(self, done: int, total: int, *, loss: float) -> None:
        self.steps += 1

    def epoch(self, report: EpochReport) -> None:
        self.epochs.append(report)


def toy(count: int = 300, *, several: bool = False) -> LabelledTexts:
    rng = np.random.default_rng(0)
    texts, labels = [], []
    for _ in range(count):
        chosen = [label for label in LABELS if rng.random() < 0.4] if several else [str(rng.choice(LABELS))]
        words = [*rng.choice(FILLER, size=rng.integers(2, 8)).tolist(), *(WORDS[label] for label in chosen)]
        rng.shuffle(words)
        texts.append(" ".join(words))
        labels.append(tuple(chosen))
    return LabelledTexts(texts=texts, labels=labels, label_names=LABELS, multi_label=several)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that a run over the toy language wrote."""
    folder = tmp_path_factory.mktemp("toy") / "model"
    train(toy(), folder, options=TrainOptions(base=SMALL, fit=QUICK, floor=False), observer=Silent())
    return folder


def test_the_folder_works_at_once(trained: Path) -> None:
    """The engine loads it and it has learned the language."""
    data = toy()
    engine = load_engine(str(trained), backend="torch", device="cpu", precision="float32")

    found = judge_model(engine, rule_for(engine.info, None, min_confidence=0.5), data)
    engine.close()

    assert engine.info.labels == LABELS
    assert accuracy(found) > 0.95


def test_the_record_says_how_it_was_made(trained: Path) -> None:
    """`training.json` names options, temperature and the epochs."""
    record = json.loads((trained / "training.json").read_text())

    assert record["options"]["fit"]["learning_rate"] == 5e-3
    assert record["epochs"][record["best_epoch"] - 1]["accuracy"] > 0.95


def test_a_trained_folder_is_a_base_for_other_labels(trained: Path, tmp_path: Path) -> None:
    """Fine-tuning to a label set of another size gives the head that size."""
    other = toy()
    data = LabelledTexts(
        texts=other.texts,
        labels=[("fine",) if label == ("good",) else ("not fine",) for label in other.labels],
        label_names=("fine", "not fine"),
        multi_label=False,
    )
    observer = Silent()

    train(data, tmp_path, options=TrainOptions(base=str(trained), fit=QUICK), observer=observer)

    assert json.loads((tmp_path / "config.json").read_text())["id2label"] == {"0": "fine", "1": "not fine"}
    assert max(report.accuracy for report in observer.epochs) > 0.95
    assert observer.floors[0].micro_f1 > 0.95


def test_multi_label_writes_thresholds_that_fit_the_model(tmp_path: Path) -> None:
    """The policy beside the model belongs to it, and with it the sets of labels come out right."""
    data = toy(600, several=True)
    slow = replace(QUICK, epochs=20, learning_rate=1e-3, head_learning_rate=1e-3)
    options = TrainOptions(base=SMALL, fit=slow, class_weight_power=0.35, floor=False)

    train(data, tmp_path, options=options, observer=Silent())

    engine = load_engine(str(tmp_path), backend="torch", device="cpu", precision="float32")
    policy = load_policy(tmp_path / "policy.json")
    found = judge_model(engine, rule_for(engine.info, policy, min_confidence=0.5), data)
    engine.close()
    assert accuracy(found) > 0.9


def test_the_same_seed_gives_the_same_model(tmp_path: Path) -> None:
    """Two runs in one process end with the same weights."""
    from safetensors.numpy import load_file

    options = TrainOptions(base=SMALL, fit=FitOptions(epochs=1, device="cpu", word_dropout=0.1), floor=False)
    for name in ("one", "two"):
        train(toy(100), tmp_path / name, options=options, observer=Silent())

    first, second = (load_file(tmp_path / name / "model.safetensors") for name in ("one", "two"))

    assert all(np.array_equal(first[key], second[key]) for key in first)


def test_early_stopping_keeps_the_best_epoch() -> None:
    """Scores 1, 3, 2, 2: with a patience of two it stops after the fourth epoch and goes back to the second."""
    data = toy(60)
    classifier = new_encoder(SMALL, label_names=LABELS, multi_label=False, texts=data.texts)
    encoded = EncodedTexts(classifier.encode(data.texts), data.targets())
    seen: list[np.ndarray] = []

    class Scripted:
        def step(self, done: int, total: int, *, loss: float) -> None: ...

        def epoch(self, number: int, logits: np.ndarray, *, train_loss: float) -> float:
            seen.append(logits)
            return [1.0, 3.0, 2.0, 2.0, 9.0][number - 1]

    fit = Fit(
        classifier.model,
        task=Task(multi_label=False, weights=np.ones(3, dtype=np.float32)),
        options=FitOptions(epochs=5, patience=2, precision="float32", device="cpu", learning_rate=1e-3),
        pad_id=classifier.pad_id,
        unknown_id=None,
    )

    best = fit.run(encoded, encoded, observer=Scripted())

    assert (best, len(seen)) == (2, 4)
    now = score(classifier.model, encoded.token_ids, pad_id=classifier.pad_id, precision="float32")
    assert now == pytest.approx(seen[1], abs=1e-5)


def test_frozen_layers_do_not_move(trained: Path, tmp_path: Path) -> None:
    """`frozen_layers=1` leaves embeddings and the first layer as they were, and moves the head."""
    from safetensors.numpy import load_file

    fit = FitOptions(epochs=1, frozen_layers=1, learning_rate=1e-2, device="cpu")

    train(toy(60), tmp_path, options=TrainOptions(base=str(trained), fit=fit, floor=False), observer=Silent())

    before, after = load_file(trained / "model.safetensors"), load_file(tmp_path / "model.safetensors")
    moved = {name for name in before if not np.array_equal(before[name], after[name])}
    assert moved == {"bert.pooler.dense.weight", "bert.pooler.dense.bias", "classifier.weight", "classifier.bias"}


def test_a_smaller_vocabulary_changes_nothing_for_texts_it_spells_the_same(trained: Path) -> None:
    """The kept rows of the embeddings follow their pieces to the new ids."""
    texts = ["the awful film was very strange", "a lovely day"]
    wanted = {"label_names": LABELS, "multi_label": False}
    whole = load_base(str(trained), texts=texts, **wanted)  # type: ignore[arg-type]

    cut = load_base(str(trained), texts=texts, vocabulary_size=90, **wanted)  # type: ignore[arg-type]

    assert cut.model.config.vocab_size < whole.model.config.vocab_size
    expected, actual = (
        score(one.model, one.encode(texts), pad_id=one.pad_id, precision="float32") for one in (whole, cut)
    )
    assert expected == pytest.approx(actual, abs=1e-5)


def test_folding_is_exact(trained: Path) -> None:
    """The model then answers (logits - shift) / temperature."""
    texts = ["the awful film was very strange", "a lovely day"]
    classifier = load_base(str(trained), label_names=LABELS, multi_label=False, texts=texts)
    ids = classifier.encode(texts)
    before = score(classifier.model, ids, pad_id=classifier.pad_id, precision="float32")
    shift = np.array([0.5, -1.0, 0.0], dtype=np.float32)

    fold(classifier.model, shift=shift, temperature=1.7)

    after = score(classifier.model, ids, pad_id=classifier.pad_id, precision="float32")
    assert (before - shift) / 1.7 == pytest.approx(after, abs=1e-5)


def test_a_small_model_learns_from_a_teacher(trained: Path, tmp_path: Path) -> None:
    """The teacher's answers on spliced texts stand in for labels."""
    observer = Silent()
    lesson = Distillation(teacher=str(trained), teacher_share=1.0, spliced=200)

    options = TrainOptions(base=SMALL, fit=QUICK, distillation=lesson, floor=False)
    train(toy(100), tmp_path, options=options, observer=observer)

    assert max(report.accuracy for report in observer.epochs) > 0.8


def test_spliced_texts_are_made_of_two() -> None:
    """The beginning of one text and the end of another, never empty."""
    found = spliced(["a b c d", "e f g h"], 50, seed=1)

    assert len(found) == 50
    assert all(text.split() and set(text) <= set("abcdefgh ") for text in found)


def test_a_base_that_is_not_there(tmp_path: Path) -> None:
    """One line that names it."""
    with pytest.raises(ModelError, match="cannot be loaded") as caught:
        load_base(str(tmp_path), label_names=LABELS, multi_label=False, texts=[])

    assert "\n" not in str(caught.value)


def test_one_label_is_not_enough(tmp_path: Path) -> None:
    """There is nothing to learn."""
    data = LabelledTexts(texts=["a", "b"], labels=[("x",), ("x",)], label_names=("x",), multi_label=False)

    with pytest.raises(DataError, match="two labels"):
        train(data, tmp_path, options=TrainOptions(base=SMALL), observer=Silent())
