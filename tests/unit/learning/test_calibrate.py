"""From labelled texts to a policy that keeps its promise, or a refusal."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest

from schemas.policy import dump_policy, parse_policy
from schemas.rules import ArgmaxRule, DoubtLabel, PerLabelThresholdsRule
from tests.unit.learning.predictions import LABELS, multi, observed, single, with_energy, with_tokens
from worker.errors import ConfigError, DataError, PolicyError, UsageError
from worker.learning.calibrate import Calibrated, calibrate
from worker.learning.choices import LabelThresholds, Method, Risk, Scaling, Score
from worker.learning.evaluate import judge_observed
from worker.learning.guarantees import Promise
from worker.learning.observed import Observed
from worker.learning.proving import Unsupported
from worker.learning.wishes import AfterWishes, TextWishes, Wishes
from worker.records import Task

NOW = datetime(2026, 11, 21, 10, tzinfo=UTC)


def made(found: Observed, target: float | None = 0.1, **wishes: Any) -> Calibrated:
    return calibrate(found, Wishes(promise=Promise(target, 0.9) if target else None, **wishes), now=NOW)


def accepted_risk(found: Observed, result: Calibrated) -> float:
    """Of the policy's decisions on other texts of the same model."""
    judged = judge_observed(found, result.policy)
    return float(judged.top_wrong[judged.accepted].mean())


@pytest.mark.parametrize("method", [Method.LTT, Method.SGR])
def test_the_policy_keeps_its_promise(method: Method) -> None:
    """On 5 000 other texts of the same model, in nine of ten calibrations."""
    live = single(5_000, seed=999)

    broken = [accepted_risk(live, made(single(400, seed=seed), method=method)) > 0.11 for seed in range(20)]

    assert sum(broken) <= 4


def test_what_the_policy_says_of_itself_is_what_it_does() -> None:
    """Coverage, size and bound of the guarantee are those of its decisions on the examples."""
    found = single(1000)

    result = made(found)

    guarantee = result.policy.guarantee
    assert guarantee is not None
    judged = judge_observed(found, result.policy)
    assert (1000, float(judged.accepted.mean())) == (guarantee.calibration_size, guarantee.coverage)
    assert float(judged.top_wrong[judged.accepted].mean()) == pytest.approx(result.chosen.risk)
    assert result.chosen.risk < guarantee.bound <= guarantee.target_risk
    assert ("ltt_fixed_sequence", "selective_risk") == (guarantee.method, guarantee.risk)


@pytest.mark.parametrize(
    "wishes",
    [
        {},
        {"method": Method.SGR},
        {"risk": Risk.LABEL_RISK},
        {"method": Method.EMPIRICAL},
        {"target": None, "method": Method.BUDGET, "review_share": 0.3},
        {"target": None, "method": Method.FIXED, "threshold": 0.7, "doubt": DoubtLabel(label="unsure", margin=0.2)},
        {"watched": ("fear",), "min_margin": 0.3, "score": Score.MARGIN},
        {"groups": {"good": ("joy",), "bad": ("anger", "fear")}},
        {"after": AfterWishes(audit_rate=0.1, void_guarantee=True)},
        {"scaling": Scaling.NONE, "score": Score.ENTROPY},
    ],
)
def test_every_single_label_policy_can_be_written_and_read(wishes: dict[str, Any]) -> None:
    """Whatever is wished, the file says the same when it is read again, and decides."""
    found = single(600)

    result = made(found, **wishes)

    again = parse_policy(dump_policy(result.policy).encode())
    assert again == result.policy
    assert judge_observed(found, again).accepted.any()


@pytest.mark.parametrize(
    "wishes",
    [
        {"target": 0.4},
        {"target": 0.5, "risk": Risk.EXACT_MATCH_ERROR, "max_labels": 2, "exclusive": ("joy",)},
        {"target": 0.4, "label_thresholds": LabelThresholds.COMMON},
        {"target": 0.4, "risk": Risk.LABEL_RISK},
        {"target": 0.2, "risk": Risk.FALSE_NEGATIVES},
        {"target": 0.4, "risk": Risk.SELECTIVE_RISK, "watched": ("fear",)},
        {"target": 0.4, "off_risk": 0.2, "watched": ("fear",)},
        {"target": 0.4, "groups": {"good": ("joy",), "bad": ("anger", "fear")}},
        {"target": None, "method": Method.BUDGET, "review_share": 0.6},
        {"target": 0.4, "scaling": Scaling.TEMPERATURE},
    ],
)
def test_every_multi_label_policy_can_be_written_and_read(wishes: dict[str, Any]) -> None:
    """The same for models that give several labels; seven tenths of the texts prove it."""
    found = multi(1500)

    result = made(found, **wishes)

    again = parse_policy(dump_policy(result.policy).encode())
    assert again == result.policy
    assert (450, 1050) == (result.fitted, len(result.after.accepted))
    if result.policy.guarantee is not None:
        assert result.policy.guarantee.coverage == pytest.approx(result.coverage)


def test_wrong_labels_of_other_texts_stay_below_the_target() -> None:
    """The item-level promise of a multi-label policy, on 5 000 other texts."""
    result = made(multi(2000), 0.35)

    judged = judge_observed(multi(5_000, seed=999), result.policy)

    answers, truth = judged.answers[judged.accepted], judged.truth[judged.accepted]
    assert ((answers & ~truth).sum(axis=1) / answers.sum(axis=1)).mean() <= 0.35


def test_missed_labels_are_bounded_on_average_only() -> None:
    """So the guarantee has no confidence."""
    result = made(multi(1500), 0.2, risk=Risk.FALSE_NEGATIVES)

    assert result.policy.guarantee is not None
    assert (None, "false_negatives") == (result.policy.guarantee.confidence, result.policy.guarantee.risk)


def test_a_target_out_of_reach_is_refused_with_what_is_possible() -> None:
    """Easier targets with their coverage, and how many examples it would take."""
    with pytest.raises(Unsupported) as refused:
        made(single(300), 0.01)

    refusal = refused.value.refusal
    assert refusal.easier[0][0] > 0.01
    assert 0.0 < refusal.easier[0][1] <= 1.0
    assert refusal.examples is not None
    assert refusal.examples > 300
    assert 1 == len(str(refused.value).splitlines())


@pytest.mark.parametrize(
    ("found", "wishes"),
    [
        (single(10), {}),
        (single(200, right=0.0), {}),
        (single(10), {"risk": Risk.LABEL_RISK}),
        (single(300), {"target": 0.01, "method": Method.FIXED, "threshold": 0.1}),
        (single(300), {"target": 0.01, "method": Method.FIXED, "threshold": 1.0}),
        (multi(20), {"target": 0.01, "risk": Risk.FALSE_NEGATIVES}),
        (multi(200), {"target": 0.01, "label_thresholds": LabelThresholds.COMMON}),
        (multi(200), {"target": 0.01, "risk": Risk.LABEL_RISK}),
        (multi(200), {"target": 0.01}),
    ],
)
def test_what_cannot_be_proven_is_refused_in_one_line(found: Observed, wishes: dict[str, Any]) -> None:
    """Ten examples, a model that is always wrong, a threshold that was given and does not hold."""
    with pytest.raises(Unsupported, match="cannot be promised") as refused:
        made(found, **wishes)

    assert 1 == len(str(refused.value).splitlines())


@pytest.mark.parametrize(
    "wishes",
    [
        {"target": 0.002, "risk": Risk.FALSE_NEGATIVES},
        {"target": 0.05, "label_thresholds": LabelThresholds.COMMON},
        {"target": 0.05, "risk": Risk.LABEL_RISK},
        {"target": 0.05},
    ],
)
def test_how_many_examples_it_would_take_counts_all_of_them(wishes: dict[str, Any]) -> None:
    """Also those that set the scores and prove nothing; the stated number is more than there are."""
    with pytest.raises(Unsupported) as refused:
        made(multi(400), **wishes)

    assert refused.value.refusal.examples is not None
    assert refused.value.refusal.examples > 400
    assert refused.value.refusal.easier != ()


def test_a_model_without_an_error_is_accepted_wholly() -> None:
    """And its temperature left alone: nothing says how sure it may be."""
    result = made(single(200, right=1.0), 0.05)

    assert (1.0, 1.0, 0.0) == (result.policy.temperature, result.coverage, result.chosen.risk)


def test_a_model_of_one_label() -> None:
    """Is always right, and sure."""
    result = made(single(100, labels=("only",)), 0.05)

    assert (1.0, {"only": 1.0}) == (result.coverage, result.thresholds)


def test_texts_that_all_score_alike_are_accepted_together_or_not_at_all() -> None:
    """Ties have one threshold."""
    truth = np.eye(3, dtype=np.bool_)[np.repeat([0, 1], [390, 10])]
    found = observed(np.tile([0.8, 0.1, 0.1], (400, 1)), truth)

    result = made(found, 0.05, scaling=Scaling.NONE)

    assert 1.0 == result.coverage
    with pytest.raises(Unsupported):
        made(found, 0.02, scaling=Scaling.NONE)


def test_scores_that_are_no_numbers_are_never_accepted() -> None:
    """They count as texts, and spoil nothing else."""
    found = single(500, right=1.0)
    found.scores[:50] = np.nan

    result = made(found, 0.05)

    assert 0.9 == result.coverage
    assert result.policy.guarantee is not None
    assert 500 == result.policy.guarantee.calibration_size


def test_without_one_score_that_is_a_number_nothing_can_be_calibrated() -> None:
    """It is said in one line."""
    found = single(50)
    found.scores[:] = np.nan

    with pytest.raises(UsageError):
        made(found, method=Method.EMPIRICAL)


def test_a_label_never_seen_is_told() -> None:
    """Its answers are judged like all others, by what the examples say."""
    found = single(600)
    keep = np.flatnonzero(~found.truth[:, 2])
    seen = observed(found.scores[keep], found.truth[keep])

    result = made(seen)

    assert "nothing is known of them: fear" in result.remarks[0]


def test_labels_that_cannot_be_proven_are_always_reviewed() -> None:
    """With a promise for every label, one with few examples goes to people."""
    found = single(900, right=1.0)
    keep = np.flatnonzero((found.scores.argmax(axis=1) != 2) | (np.arange(900) < 30))
    few = observed(found.scores[keep], found.truth[keep])

    result = made(few, 0.05, risk=Risk.LABEL_RISK)

    assert isinstance(result.policy.rule, ArgmaxRule)
    assert ("fear",) == result.policy.rule.watched_labels
    assert {"joy", "anger"} == set(result.chosen.label_bounds)
    assert not judge_observed(few, result.policy).kept().answers[:, 2].any()


def test_what_goes_to_review_anyway_is_no_part_of_the_promise() -> None:
    """Errors of a watched label cost no coverage of the others."""
    found = single(600, right=1.0)
    wrong = found.truth[found.scores.argmax(axis=1) == 2]
    wrong[:] = (True, False, False)
    found.truth[found.scores.argmax(axis=1) == 2] = wrong

    result = made(found, 0.05, watched=("fear",), scaling=Scaling.NONE)

    assert 0.0 == result.chosen.risk
    assert result.coverage == pytest.approx((found.scores.argmax(axis=1) != 2).mean())


def test_texts_are_judged_by_their_tokens_where_these_are_known() -> None:
    """The threshold of surprise is estimated anew: one text in a hundred is above it."""
    found = with_tokens(single(500), np.linspace(0.0, 5.0, 500).tolist(), [1] * 10 + [9] * 490)

    result = made(found)

    text = result.policy.text
    assert text is not None
    assert (2, 0.01, "sha256:t") == (text.min_content_tokens, text.false_alarm_rate, text.surprise_table)
    assert text.max_surprise is not None
    assert (np.linspace(0.0, 5.0, 500) > text.max_surprise).mean() <= 0.01
    assert not result.after.accepted[:10].any()
    assert not result.after.accepted[-4:].any()


def test_checks_of_the_texts_can_be_wished_away() -> None:
    """And those that need no tokens stay possible."""
    found = with_tokens(single(500), [0.0] * 500, [1] * 500)

    none = made(found, text=TextWishes(false_alarm_rate=0.0, min_content_tokens=0))
    cut = made(single(500), text=TextWishes(review_truncated=True))

    assert none.policy.text is None
    assert cut.policy.text is not None
    assert cut.policy.text.accept_truncated is False


def test_checks_of_tokens_without_tokens_are_refused() -> None:
    """It is said what to do."""
    with pytest.raises(PolicyError, match="train the model again"):
        made(single(500), text=TextWishes(false_alarm_rate=0.01))


def test_a_budget_keeps_reviews_within_a_share() -> None:
    """With the confidence asked for; what the other rules send to review counts too."""
    result = made(single(1000), None, method=Method.BUDGET, review_share=0.2)

    assert result.policy.guarantee is None
    assert 0.15 < 1 - result.coverage <= 0.2


@pytest.mark.parametrize(
    ("size", "wishes", "message"),
    [
        (10, {"review_share": 0.01}, "cannot be promised with confidence 0.9 by 10 examples"),
        (500, {"review_share": 0.2, "watched": ("joy", "fear")}, "the other rules alone"),
    ],
)
def test_a_budget_out_of_reach(size: int, wishes: dict[str, Any], message: str) -> None:
    """Too few examples, or too many reviews already."""
    with pytest.raises(PolicyError, match=message):
        made(single(size), None, method=Method.BUDGET, **wishes)


def test_a_given_threshold_is_promised_for_when_it_holds() -> None:
    """It is one hypothesis, tested once."""
    result = made(single(1000), 0.2, method=Method.FIXED, threshold=0.6)

    assert result.policy.guarantee is not None
    assert "fixed_threshold" == result.policy.guarantee.method
    assert {0.6} == set(result.thresholds.values())


def test_the_best_score_is_chosen_and_stated() -> None:
    """By the area under the risk-coverage curve."""
    result = made(single(500))

    areas = result.chosen.score_areas
    assert isinstance(result.policy.rule, ArgmaxRule)
    assert {"max_probability", "margin", "entropy"} == set(areas)
    assert min(areas, key=lambda name: areas[name]) == result.policy.rule.score


def test_three_zones_leave_unsure_labels_to_people() -> None:
    """A label is off only where few texts have it."""
    found = multi(3000)

    result = made(found, 0.5, off_risk=0.1)

    rule = result.policy.rule
    assert isinstance(rule, PerLabelThresholdsRule)
    assert rule.off_below is not None
    for label, off in rule.off_below.items():
        column = LABELS.index(label)
        scores = judge_observed(found, result.policy).scores[:, column]
        assert found.truth[scores < off, column].mean() <= 0.1


def test_policies_for_groups_promise_for_groups() -> None:
    """An error within a group is none."""
    found = single(600, right=1.0)
    swapped = observed(found.scores, found.truth[:, [1, 0, 2]])

    result = made(swapped, 0.05, groups={"any": LABELS[:2], "fear": LABELS[2:]}, scaling=Scaling.NONE)

    assert ("any", "fear") == result.policy.answers
    assert (0.0, 1.0) == (result.chosen.risk, result.coverage)


def test_scores_that_a_policy_calibrated_are_refused() -> None:
    """A temperature on top of another would be wrong for the model."""
    from worker.learning.observed import Recorded

    found = single(100)
    recorded = Recorded([("joy",)] * 100, np.ones(100, dtype=np.bool_), "sha256:p", calibrated=True)

    with pytest.raises(DataError, match="--no-policy"):
        made(Observed(**{**vars(found), "recorded": recorded}))


@pytest.mark.parametrize(
    ("task", "wishes", "message"),
    [
        ("single", {"target": None}, "--method ltt needs --target-risk"),
        ("single", {"method": Method.BUDGET}, "needs --review-share"),
        ("single", {"review_share": 0.1}, "say --method budget"),
        ("single", {"method": Method.FIXED}, "needs --threshold"),
        ("single", {"threshold": 0.1}, "say --method fixed"),
        ("single", {"risk": Risk.WRONG_EMITTED}, "is for multi-label models"),
        ("single", {"risk": Risk.LABEL_RISK, "method": Method.SGR}, "leave --method out"),
        ("single", {"scaling": Scaling.PLATT}, "is for multi-label models"),
        ("single", {"max_labels": 2}, "are for multi-label models"),
        ("single", {"score": Score.SET_PROBABILITY}, "choose from"),
        ("single", {"watched": ("hope",)}, "'hope' is none of joy, anger, fear"),
        ("single", {"doubt": DoubtLabel(label="unsure", margin=0.1)}, "no promise covers its answers"),
        ("single", {"groups": {"good": ("joy",)}}, "'anger' stands in no group"),
        ("single", {"groups": {"good": ("joy", "hope")}}, "'hope' is none of the model's labels"),
        ("single", {"groups": {"good": ("joy", "anger"), "bad": ("anger", "fear")}}, "stands in two groups"),
        ("single", {"label_thresholds": LabelThresholds.COMMON}, "is for multi-label models"),
        ("multi", {"min_margin": 0.1}, "are for models that give one label"),
        ("multi", {"risk": Risk.LABEL_RISK, "watched": ("joy",)}, "--watch goes with"),
        ("multi", {"risk": Risk.FALSE_NEGATIVES, "max_labels": 2}, "--max-labels"),
        ("multi", {"label_thresholds": LabelThresholds.COMMON, "method": Method.SGR}, "goes with --method ltt"),
        ("multi", {"risk": Risk.SELECTIVE_RISK, "score": Score.MARGIN}, "goes by max_probability"),
    ],
)
def test_wishes_that_do_not_go_together(task: str, wishes: dict[str, Any], message: str) -> None:
    """Each in one line that names the option."""
    found = single(100) if task == "single" else multi(100)

    with pytest.raises(ConfigError, match=message) as caught:
        made(found, **wishes)

    assert 1 == len(str(caught.value).splitlines())


def test_the_energy_is_chosen_by_name() -> None:
    """It keeps a promise like any score; here it orders texts as the highest probability does."""
    found = with_energy(single(900))

    by_energy = made(found, 0.05, score=Score.ENERGY)
    by_probability = made(found, 0.05, score=Score.MAX_PROBABILITY)

    assert "energy" == by_energy.policy.rule.score
    assert by_energy.after.accepted.tolist() == by_probability.after.accepted.tolist()
    assert {"max_probability", "margin", "entropy", "energy"} == set(made(found).chosen.score_areas)


def test_the_energy_cannot_be_chosen_where_it_is_not_known() -> None:
    """One line says what is missing, to whoever calibrates and to whoever evaluates."""
    by_energy = made(with_energy(single(500)), score=Score.ENERGY).policy

    with pytest.raises(PolicyError, match="the score energy needs the model's logits"):
        made(single(500), score=Score.ENERGY)
    with pytest.raises(PolicyError, match="the score energy needs the model's logits"):
        judge_observed(single(500), by_energy)


def test_scores_of_extreme_models() -> None:
    """Logits of 1e4 have become probabilities of 0 and 1; they are tempered and compared like any."""
    found = single(400, right=0.99)
    sure = np.zeros_like(found.scores)
    sure[np.arange(400), found.scores.argmax(axis=1)] = 1.0

    result = made(observed(sure, found.truth), 0.05)

    assert 1.0 == result.coverage
    assert Task.SINGLE_LABEL == result.policy.task
