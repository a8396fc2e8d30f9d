"""Thresholds that keep a promise, or none."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from scipy.stats import binom

from worker.learning.guarantees import (
    METHODS,
    Candidates,
    Promise,
    Refusal,
    Selected,
    examples_needed,
    fewest_accepted,
    learn_then_test,
    p_values,
    per_label,
    risk_bound,
    sgr,
    start_of_sequence,
    within_budget,
)

FIVE_PERCENT = Promise(0.05, 0.9)


@cache
def texts(size: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Scores of a model that is right with the probability it states, and whether it was wrong."""
    rng = np.random.default_rng(seed)
    score = rng.beta(6, 1, size)
    return score, (rng.random(size) > score).astype(np.float64)


def true_risk(threshold: float) -> float:
    """Of such a model, among all texts from the threshold on."""
    score, _ = texts(50_000, seed=99)
    return float((1.0 - score[score >= threshold]).mean())


@pytest.mark.parametrize("method", ["ltt_fixed_sequence", "sgr"])
def test_the_promise_is_kept(method: str) -> None:
    """In 200 calibrations the true risk is above the target in a tenth at most; here with three deviations of slack."""
    promise = Promise(0.1, 0.9)
    chosen = [METHODS[method](*texts(500, seed), promise) for seed in range(200)]

    broken = [each is not None and true_risk(each.threshold) > 0.1 for each in chosen]

    assert np.mean(broken) <= 0.1 + 3 * np.sqrt(0.1 * 0.9 / 200)
    assert any(chosen)


def test_the_empirical_threshold_breaks_it_every_other_time() -> None:
    """Why there are guarantees."""
    chosen = [METHODS["empirical"](*texts(500, seed), Promise(0.1)) for seed in range(100)]

    broken = [each is not None and true_risk(each.threshold) > 0.1 for each in chosen]

    assert np.mean(broken) > 0.3


@pytest.mark.parametrize("method", [learn_then_test, sgr])
def test_what_is_selected_says_what_it_rests_on(method: object) -> None:
    """Accepted texts, their risk, and a bound on it that is within the target."""
    score, wrong = texts(2000)

    chosen = method(score, wrong, FIVE_PERCENT)  # type: ignore[operator]

    assert isinstance(chosen, Selected)
    accepted = score >= chosen.threshold
    assert (accepted.sum(), pytest.approx(wrong[accepted].mean())) == (chosen.accepted, chosen.risk)
    assert chosen.risk < chosen.bound <= 0.05


def test_all_correct_accepts_everything() -> None:
    """As far as the number of texts can prove it."""
    chosen = learn_then_test(np.linspace(0, 1, 100), np.zeros(100), FIVE_PERCENT)

    assert chosen is not None
    assert (1.0, 0.0, 0.0) == (chosen.coverage, chosen.risk, chosen.threshold)


@pytest.mark.parametrize("method", [learn_then_test, sgr])
@pytest.mark.parametrize("size", [0, 1, 10, 500])
def test_all_wrong_has_no_threshold(method: object, size: int) -> None:
    """Nor has an empty set."""
    assert method(np.linspace(0, 1, size), np.ones(size), FIVE_PERCENT) is None  # type: ignore[operator]


@pytest.mark.parametrize("method", [learn_then_test, sgr])
def test_ten_examples_prove_nothing_strict(method: object) -> None:
    """Even when all of them are right."""
    assert method(np.linspace(0, 1, 10), np.zeros(10), FIVE_PERCENT) is None  # type: ignore[operator]


def test_equal_scores_are_accepted_together_or_not_at_all() -> None:
    """Ties are one candidate."""
    score = np.repeat([0.9, 0.5], [200, 200])
    wrong = np.repeat([0.0, 0.0, 1.0], [200, 150, 50])

    chosen = learn_then_test(score, wrong, FIVE_PERCENT)

    assert chosen is not None
    assert (0.9, 200) == (chosen.threshold, chosen.accepted)


def test_all_scores_equal_is_one_candidate() -> None:
    """All or nothing."""
    chosen = learn_then_test(np.ones(300), np.zeros(300), FIVE_PERCENT)

    assert chosen is not None
    assert (1.0, 300) == (chosen.threshold, chosen.accepted)


def test_scores_that_are_no_numbers_are_never_accepted() -> None:
    """They count as texts, so coverage is honest."""
    score = np.append(np.linspace(0.5, 1, 150), np.full(50, np.nan))

    chosen = learn_then_test(score, np.append(np.zeros(150), np.ones(50)), FIVE_PERCENT)

    assert chosen is not None
    assert (150, 0.75) == (chosen.accepted, chosen.coverage)


@pytest.mark.parametrize(("errors", "texts_needed"), [(0, 45), (1, 77), (3, 132)])
def test_a_number_of_errors_needs_a_number_of_texts(errors: int, texts_needed: int) -> None:
    """Exactly as many as the binomial distribution says."""
    needed = fewest_accepted(errors, FIVE_PERCENT)

    assert texts_needed == needed
    assert binom.cdf(errors, needed, 0.05) <= 0.1 < binom.cdf(errors, needed - 1, 0.05)


@pytest.mark.parametrize(("size", "start"), [(1000, 531), (300, 230), (10, 230)])
def test_the_sequence_starts_where_an_error_does_not_end_it(size: int, start: int) -> None:
    """Where the texts allow it, at a few errors; it never depends on scores."""
    assert start == start_of_sequence(size, Promise(0.01))


def test_bound_of_errors_is_clopper_pearson() -> None:
    """The rule of three, and its inverse: at the bound the p-value is delta."""
    bound = risk_bound(3.0, 100, delta=0.1, binary=True)

    assert pytest.approx(0.1) == p_values(np.array([3.0]), np.array([100]), bound, binary=True)[0]
    assert 1.0 == risk_bound(5.0, 5, delta=0.1, binary=True)


def test_fractions_of_an_error_have_a_wider_bound() -> None:
    """Losses that are not 0 or 1 are bounded by Hoeffding-Bentkus."""
    fractions, errors = (risk_bound(3.0, 100, delta=0.1, binary=binary) for binary in (False, True))

    assert 0.03 < errors < fractions < 0.15


def test_labels_are_proven_all_at_once_or_left_out() -> None:
    """A label that is always wrong, or never seen, has no threshold; the others keep theirs."""
    label = np.repeat([0, 1], 500)
    wrong = np.repeat([0.0, 1.0], 500)

    chosen = per_label(np.tile(np.linspace(0, 1, 500), 2), wrong, label, FIVE_PERCENT, labels=3)

    assert [True, False, False] == [each is not None for each in chosen]


def test_a_label_that_is_proven_wholly_lends_its_part_to_the_others() -> None:
    """Beside it another label gets the whole error probability, no more."""
    score, wrong = texts(600)
    perfect = (np.linspace(0, 1, 600), np.zeros(600))

    _, beside = per_label(
        np.append(perfect[0], score), np.append(perfect[1], wrong), np.repeat([0, 1], 600), FIVE_PERCENT, labels=2
    )

    start = start_of_sequence(600, Promise(0.05, 0.95))
    assert learn_then_test(score, wrong, FIVE_PERCENT, start=start) == beside


def test_a_refusal_says_what_would_be_possible() -> None:
    """The easiest target with its coverage, and how many examples it would take."""
    score, wrong = texts(300)
    promise = Promise(0.01)
    assert learn_then_test(score, wrong, promise) is None

    refusal = Refusal(promise, ((0.05, 0.4), (0.1, 0.8)), examples_needed(Candidates.of(score, wrong), promise))

    assert refusal.examples is not None
    assert refusal.examples > 300
    assert "can support is 0.05, at coverage 0.40" in str(refusal)
    assert "cannot be promised" in str(refusal)
    assert 1 == len(str(refusal).splitlines())


@pytest.mark.parametrize("size", [0, 50])
def test_a_hopeless_model_is_told_so(size: int) -> None:
    """Always wrong, or nothing known of it."""
    candidates = Candidates.of(np.linspace(0, 1, size), np.ones(size))

    refusal = Refusal(FIVE_PERCENT, (), examples_needed(candidates, FIVE_PERCENT))

    assert refusal.examples is None
    assert "support no risk at all" in str(refusal)


def test_a_budget_is_kept_with_the_confidence_asked_for() -> None:
    """The share of live texts below the threshold exceeds it in a tenth of calibrations."""
    live = np.sort(texts(50_000, seed=99)[0])
    thresholds = [within_budget(texts(500, seed)[0], 0.2, confidence=0.9) for seed in range(200)]

    exceeded = [np.searchsorted(live, threshold) / len(live) > 0.2 for threshold in thresholds]

    assert np.mean(exceeded) <= 0.1 + 3 * np.sqrt(0.1 * 0.9 / 200)


def test_a_budget_of_nothing_has_no_threshold() -> None:
    """Ten texts cannot show that hardly any will be reviewed."""
    assert within_budget(np.linspace(0, 1, 10), 0.01, confidence=0.9) is None


def test_p_values_are_those_of_mapie() -> None:
    """For errors and for fractions of one; its counts are nudged, as it rounds 3.0000000001 errors up to 4."""
    from mapie.risk_control import methods

    loss, accepted = np.array([0.0, 3.0, 10.0, 24.0]), np.array([50, 100, 300, 500])
    for binary, total in ((True, loss), (False, loss + 0.5)):
        theirs = methods.compute_hoeffding_bentkus_p_value(
            np.maximum(total / accepted - 1e-12, 0.0), accepted, 0.05, binary
        )

        np.testing.assert_allclose(p_values(total, accepted, 0.05, binary=binary), theirs[:, 0], rtol=1e-6)


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_thresholds_are_at_least_as_loose_as_those_of_mapie() -> None:
    """The same candidates in the same order."""
    from mapie.risk_control import BinaryClassificationController

    for seed in range(10):
        score, wrong = texts(1000, seed)
        start = start_of_sequence(1000, FIVE_PERCENT)
        controller = BinaryClassificationController(
            lambda given: np.c_[1.0 - given, given],
            "precision",
            0.95,
            confidence_level=0.9,
            list_predict_params=np.sort(score)[::-1][start - 1 :],
            fwer_method="fixed_sequence",
        )
        controller.calibrate(score, (1.0 - wrong).astype(int))
        theirs = controller.best_predict_param

        ours = learn_then_test(score, wrong, FIVE_PERCENT)

        assert theirs is None or (ours is not None and ours.threshold <= theirs)
