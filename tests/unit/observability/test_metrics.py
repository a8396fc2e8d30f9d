from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Histogram, generate_latest

from tests.unit.observability.reports import report
from worker.batching import CloseReason
from worker.decision.drift import DriftState
from worker.errors import DeadReason
from worker.observability.bulk_histogram import BulkHistogram
from worker.observability.catalogue import CATALOGUE, Kind
from worker.observability.metrics import Metrics
from worker.observability.reference import page
from worker.policy_file import Reload
from worker.ports import InferenceStats
from worker.records import ModelInfo, Outcome, Task, TopicPartition
from worker.testing import FakeClock
from worker.wave_report import PublicationResult

DOCS = Path(__file__).parents[3] / "docs"
MODEL = ModelInfo("builtin:emotion", "sha256:1", Task.SINGLE_LABEL, ("joy", "anger"), 128, "openvino", "int8", "cpu")


def value(metrics: Metrics, sample: str, /, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(f"emostream_{sample}", labels)


def test_the_page_of_all_metrics_is_up_to_date() -> None:
    """After a change of the catalogue: python -m worker.observability > docs/metrics.md."""
    written = (DOCS / "metrics.md").read_text(encoding="utf-8")

    assert page() == written


def test_the_registry_holds_the_catalogue_and_nothing_else() -> None:
    """Each metric is declared once, with its kind and text; beside them only the client's process metrics."""
    families = {family.name: family for family in Metrics().registry.collect()}

    ours = {name: (family.type, family.documentation) for name, family in families.items() if "emostream" in name}

    assert ours == {entry.name: (entry.kind.value, entry.about) for entry in CATALOGUE}
    assert all(name.startswith(("emostream_", "process_")) for name in families)


@pytest.mark.parametrize("entry", CATALOGUE, ids=lambda entry: entry.name)
def test_a_name_is_in_base_units(entry: object) -> None:
    """Seconds, records, tokens; no milliseconds, no unit in a counter's place of `_total`."""
    name = entry.name  # type: ignore[attr-defined]

    assert name.startswith("emostream_")
    assert not name.endswith(("_total", "_ms", "_milliseconds", "_count", "_sum", "_bucket"))
    assert entry.about.endswith(".")  # type: ignore[attr-defined]
    assert bool(entry.buckets) == (entry.kind is Kind.HISTOGRAM)  # type: ignore[attr-defined]


def test_a_published_wave_is_counted_once_in_everything() -> None:
    """Outcomes, labels, reasons, sizes, times and inference come from the one report."""
    metrics = Metrics()

    metrics.wave_published(report())
    metrics.wave_published(report())

    assert value(metrics, "outcomes_total", outcome="accepted") == 14
    assert value(metrics, "outcomes_total", outcome="abstained") == 4
    assert value(metrics, "outcomes_total", outcome="dead") == 2
    assert value(metrics, "accepted_labels_total", label="joy") == 10
    assert value(metrics, "review_reasons_total", reason="low_confidence") == 4
    assert value(metrics, "dead_letters_total", reason="empty_text") == 2
    assert value(metrics, "waves_total", close_reason="delay") == 2
    assert value(metrics, "wave_messages_sum") == 20
    assert value(metrics, "wave_tokens_sum") == 200
    assert value(metrics, "wave_padding_ratio_sum") == pytest.approx(2.2)
    assert value(metrics, "wave_stage_seconds_sum", stage="infer") == 0.5
    assert value(metrics, "end_to_end_seconds_count") == 6
    assert value(metrics, "end_to_end_seconds_sum") == pytest.approx(2.4)
    assert value(metrics, "inference_texts_total") == 18
    assert value(metrics, "inference_repeated_texts_total") == 2
    assert value(metrics, "inference_forward_passes_total") == 4
    assert value(metrics, "inference_real_tokens_total") == 180
    assert value(metrics, "inference_padded_tokens_total") == 198


def test_a_wave_without_forward_passes_has_no_padding_ratio() -> None:
    """All texts were cached or dead: there is nothing to divide by."""
    metrics = Metrics()

    metrics.wave_published(report(stats=InferenceStats(texts=10, repeated=10)))

    assert value(metrics, "wave_padding_ratio_count") == 0


def test_closed_lists_start_at_zero() -> None:
    """An increase can only be seen from a series that was there before."""
    metrics = Metrics()

    assert [value(metrics, "outcomes_total", outcome=each) for each in Outcome] == [0] * len(Outcome)
    assert [value(metrics, "dead_letters_total", reason=each) for each in DeadReason] == [0] * len(DeadReason)
    assert [value(metrics, "waves_total", close_reason=each) for each in CloseReason] == [0] * len(CloseReason)
    assert [value(metrics, "transactions_total", result=each) for each in PublicationResult] == [0, 0, 0, 0]


def test_what_the_loop_tells_is_counted() -> None:
    """Consumed and redone records, rebalances, results of publications."""
    metrics = Metrics()

    metrics.consumed("texts", 5)
    metrics.consumed("texts", 2)
    metrics.redone(3)
    metrics.rebalanced()
    metrics.transaction(PublicationResult.FENCED)

    assert value(metrics, "records_consumed_total", topic="texts") == 7
    assert value(metrics, "records_redone_total") == 3
    assert value(metrics, "rebalances_total") == 1
    assert value(metrics, "transactions_total", result="fenced") == 1


def test_lag_is_shown_of_owned_partitions_only() -> None:
    """A partition that moved away would otherwise show its last lag for ever."""
    metrics = Metrics()

    metrics.lag({TopicPartition("texts", 0): 4, TopicPartition("texts", 1): 9})
    metrics.lag({TopicPartition("texts", 1): 8})

    assert value(metrics, "lag_records", topic="texts", partition="0") is None
    assert value(metrics, "lag_records", topic="texts", partition="1") == 8


def test_a_partition_is_assigned_before_its_lag_is_known() -> None:
    """An owned partition that nothing was read of yet has no lag to show, and an owner all the same."""
    metrics = Metrics()

    metrics.lag({})
    metrics.assigned(3)

    assert value(metrics, "assigned_partitions") == 3


def test_the_oldest_record_grows_older_between_two_reports() -> None:
    """The age must also grow when the loop that reports it is stuck."""
    clock = FakeClock()
    metrics = Metrics(clock=clock)

    metrics.oldest_unprocessed(2.0)
    clock.advance(5.0)

    assert value(metrics, "oldest_unprocessed_seconds") == 7.0


def test_nothing_in_hand_has_no_age() -> None:
    """Zero, however long ago that was said."""
    clock = FakeClock()
    metrics = Metrics(clock=clock)

    metrics.oldest_unprocessed(2.0)
    metrics.oldest_unprocessed(0.0)
    clock.advance(5.0)

    assert value(metrics, "oldest_unprocessed_seconds") == 0.0


def test_the_model_in_use_is_the_only_one_shown() -> None:
    """A model that was replaced is gone."""
    metrics = Metrics()

    metrics.model(MODEL)
    metrics.model(replace(MODEL, revision="sha256:2"))

    labels = {
        "name": "builtin:emotion",
        "revision": "sha256:2",
        "task": "single_label",
        "backend": "openvino",
        "precision": "int8",
        "device": "cpu",
    }
    assert value(metrics, "model_info", **labels) == 1
    assert value(metrics, "model_info", **labels | {"revision": "sha256:1"}) is None


def test_two_workers_in_one_process_do_not_share_metrics() -> None:
    """Each has a registry of its own."""
    one, other = Metrics(), Metrics()

    one.rebalanced()

    assert value(other, "rebalances_total") == 0


@given(st.lists(st.one_of(st.floats(0, 20), st.sampled_from([0.1, 0.5, 1.0])), max_size=50))
def test_a_bulk_histogram_is_a_histogram(observed: list[float]) -> None:
    """Counting many values at once gives what the client's histogram gives one by one."""
    buckets = (0.1, 0.5, 1.0, 10.0)
    bulk, single = CollectorRegistry(), CollectorRegistry()

    BulkHistogram("h", "H.", buckets=buckets, registry=bulk).observe_all(np.array(observed))
    reference = Histogram("h", "H.", buckets=buckets, registry=single)
    for each in observed:
        reference.observe(each)

    labels = [{"le": bound} for bound in ("0.1", "0.5", "1.0", "10.0", "+Inf")]
    assert [bulk.get_sample_value("h_bucket", label) for label in labels] == [
        single.get_sample_value("h_bucket", label) for label in labels
    ]
    assert bulk.get_sample_value("h_count") == single.get_sample_value("h_count")
    assert bulk.get_sample_value("h_sum") == pytest.approx(single.get_sample_value("h_sum"))


def test_there_are_no_creation_times() -> None:
    """They double the number of series and no query uses them."""
    assert "_created" not in generate_latest(Metrics().registry).decode()


def test_drift_is_shown_as_the_policy_sees_it() -> None:
    """Before, and without a reference, nothing is claimed."""
    metrics = Metrics()
    assert np.isnan(value(metrics, "drift_psi") or 0.0)

    metrics.drifted(DriftState(records=1000, psi=0.3, expected_accuracy=0.81, alarm=True))

    assert (0.3, 0.81, 1.0) == tuple(value(metrics, name) for name in ("drift_psi", "expected_accuracy", "drift_alarm"))


def test_a_policy_without_a_drift_check_claims_nothing() -> None:
    """What the former policy's check saw is not shown for the one that was taken over."""
    metrics = Metrics()
    metrics.drifted(DriftState(records=1000, psi=0.3, expected_accuracy=0.81, alarm=True))

    metrics.drifted(None)

    assert np.isnan([value(metrics, name) for name in ("drift_psi", "expected_accuracy")]).all()
    assert 0.0 == value(metrics, "drift_alarm")


def test_policy_reloads_are_counted_by_result() -> None:
    """Both results are there from the start."""
    metrics = Metrics()

    metrics.policy_reload(Reload.REFUSED)

    assert (0.0, 1.0) == tuple(value(metrics, "policy_reloads_total", result=each) for each in Reload)
