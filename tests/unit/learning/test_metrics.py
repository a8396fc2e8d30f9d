from __future__ import annotations

import numpy as np
import pytest

from worker.learning import metrics
from worker.learning.metrics import Judged


def single(scores: list[list[float]], truth: list[int], *, accepted: list[bool] | None = None) -> Judged:
    matrix = np.array(scores)
    right = np.zeros(matrix.shape, dtype=np.bool_)
    right[np.arange(len(truth)), truth] = True
    kept = np.ones(len(truth), dtype=np.bool_)
    kept[:] = True if accepted is None else accepted
    names = tuple("abcdefgh"[: matrix.shape[1]])
    return Judged(names, multi_label=False, scores=matrix, truth=right, emitted=np.zeros_like(right), accepted=kept)


def multi(scores: list[list[float]], truth: list[list[int]], *, threshold: float = 0.5) -> Judged:
    matrix, right = np.array(scores), np.array(truth, dtype=np.bool_)
    emitted = matrix >= threshold
    names = tuple("abcdefgh"[: matrix.shape[1]])
    return Judged(
        names, multi_label=True, scores=matrix, truth=right, emitted=emitted, accepted=np.asarray(emitted.any(axis=1))
    )


@pytest.fixture
def random_single() -> Judged:
    rng = np.random.default_rng(5)
    return single(rng.dirichlet([1, 1, 1, 1], size=200).tolist(), rng.integers(0, 4, size=200).tolist())


@pytest.fixture
def random_multi() -> Judged:
    rng = np.random.default_rng(6)
    return multi(rng.random((200, 4)).tolist(), (rng.random((200, 4)) < 0.3).astype(int).tolist())


def test_accuracy_counts_the_most_likely_label() -> None:
    """A single-label answer is the label with the highest score, whatever was emitted."""
    judged = single([[0.7, 0.3], [0.4, 0.6], [0.9, 0.1]], [0, 1, 1])

    assert metrics.accuracy(judged) == pytest.approx(2 / 3)


def test_multi_label_accuracy_wants_the_whole_set() -> None:
    """A multi-label answer is right only when every label is."""
    judged = multi([[0.9, 0.8], [0.9, 0.1]], [[1, 0], [1, 0]])

    assert metrics.accuracy(judged) == 0.5


@pytest.mark.parametrize("fixture", ["random_single", "random_multi"])
def test_f1_scores_agree_with_scikit_learn(fixture: str, request: pytest.FixtureRequest) -> None:
    """Macro, micro and weighted F1 and the per-label scores are scikit-learn's."""
    sklearn = pytest.importorskip("sklearn.metrics")
    judged: Judged = request.getfixturevalue(fixture)
    truth, answers = judged.truth, judged.answers
    labels = metrics.per_label(judged)

    found = [metrics.macro_f1(labels, judged), metrics.micro_f1(judged), metrics.weighted_f1(labels)]

    expected = [sklearn.f1_score(truth, answers, average=kind) for kind in ("macro", "micro", "weighted")]
    assert expected == pytest.approx(found)
    by_label = sklearn.precision_recall_fscore_support(truth, answers)
    assert by_label[0].tolist() == pytest.approx([score.precision for score in labels.values()])
    assert by_label[1].tolist() == pytest.approx([score.recall for score in labels.values()])
    assert by_label[3].tolist() == [score.support for score in labels.values()]


def test_macro_f1_leaves_out_labels_that_never_occur() -> None:
    """A label that is neither true nor answered anywhere does not pull the mean down."""
    judged = single([[0.9, 0.1, 0.0], [0.1, 0.9, 0.0]], [0, 1])

    assert metrics.macro_f1(metrics.per_label(judged), judged) == 1.0


def test_confusion_matrix_has_the_truth_in_rows() -> None:
    """Single-label: rows are true labels, columns answers."""
    judged = single([[0.9, 0.1], [0.9, 0.1], [0.2, 0.8]], [0, 1, 1])

    assert metrics.confusion_matrix(judged).tolist() == [[1, 0], [1, 1]]


def test_multi_label_confusion_agrees_with_scikit_learn(random_multi: Judged) -> None:
    """Multi-label: one two-by-two matrix for each label."""
    sklearn = pytest.importorskip("sklearn.metrics")

    found = metrics.confusion_matrix(random_multi)

    expected = sklearn.multilabel_confusion_matrix(random_multi.truth, random_multi.answers)
    assert expected.tolist() == found.tolist()


def test_calibration_error_by_hand() -> None:
    """Two bins: 0.9 stated and half right, 0.6 stated and all right: (2 x 0.4 + 1 x 0.4) / 3."""
    judged = single([[0.9, 0.1], [0.9, 0.1], [0.6, 0.4]], [0, 1, 0])

    assert metrics.calibration_error(judged) == pytest.approx(0.4)


def test_multi_label_calibration_counts_every_label() -> None:
    """Scores of 0.2 that are true one time in four miss by 0.05."""
    judged = multi([[0.2, 0.2], [0.2, 0.2]], [[1, 0], [0, 0]])

    assert metrics.calibration_error(judged) == pytest.approx(0.05)


def test_a_score_of_one_falls_into_the_last_bin() -> None:
    """Certainty that is right has no calibration error."""
    judged = single([[1.0, 0.0]], [0])

    assert metrics.calibration_error(judged) == 0.0


def test_brier_by_hand() -> None:
    """Squares are summed over labels for single-label and averaged for multi-label."""
    assert metrics.brier(single([[0.8, 0.2]], [0])) == pytest.approx(0.08)
    assert metrics.brier(multi([[0.8, 0.2]], [[1, 0]])) == pytest.approx(0.04)


def test_areas_under_the_curves_by_hand() -> None:
    """The most confident is right, the second wrong: risks 0 and 1/2, generalised risks 0 and 1/2."""
    confidence, wrong = np.array([0.6, 0.9]), np.array([1.0, 0.0])

    assert metrics.aurc(confidence, wrong) == pytest.approx(0.25)
    assert metrics.augrc(confidence, wrong) == pytest.approx(0.25)


def test_aurc_does_not_depend_on_the_order_of_ties() -> None:
    """Texts of equal confidence share their errors."""
    confidence = np.full(4, 0.7)

    found = {metrics.aurc(confidence, np.array(wrong)) for wrong in ([1.0, 0, 0, 0], [0, 0, 0, 1.0])}

    assert found == {0.25}


def test_selective_risk_counts_accepted_texts_only() -> None:
    """A wrong answer that was not accepted is no risk."""
    judged = single([[0.9, 0.1], [0.6, 0.4]], [0, 1], accepted=[True, False])

    assert metrics.selective_risk(judged) == 0.0
    assert metrics.measure(judged)["coverage"] == 0.5


def test_selective_risk_of_nothing_is_none() -> None:
    """When nothing is accepted there is no risk to state."""
    judged = single([[0.9, 0.1]], [0], accepted=[False])

    assert metrics.selective_risk(judged) is None


def test_multi_label_selective_risk_is_the_share_of_wrong_labels() -> None:
    """Two labels emitted, one of them wrong: a half."""
    judged = multi([[0.9, 0.8]], [[1, 0]])

    assert metrics.selective_risk(judged) == 0.5


def test_measure_has_the_keys_of_the_contract(random_single: Judged) -> None:
    """`evaluate --json` promises these names."""
    promised = {"accuracy", "macro_f1", "weighted_f1", "per_label", "confusion_matrix", "ece", "brier", "aurc", "augrc"}
    promised |= {"coverage", "selective_risk"}

    found = metrics.measure(random_single)

    assert promised <= set(found)
