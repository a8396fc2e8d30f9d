"""Every metric of the worker, declared once: name, kind, labels, buckets and what it says. `docs/metrics.md` is made
from this list, `worker.observability.metrics` counts by it.

Names are in base units (seconds, tokens, records); label values come from closed lists, topics, partitions and the
model's labels, never from messages.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """What Prometheus calls the type of a metric."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


@dataclass(frozen=True, slots=True)
class Entry:
    """One metric. A counter's samples end in `_total`, a histogram's in `_bucket`, `_sum` and `_count`."""

    name: str
    kind: Kind
    about: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()

    @property
    def exposed_name(self) -> str:
        """As a query names it (a histogram's base name)."""
        return f"{self.name}_total" if self.kind is Kind.COUNTER else self.name


_entries: list[Entry] = []


def _entry(
    kind: Kind, name: str, about: str, *, labels: tuple[str, ...] = (), buckets: tuple[float, ...] = ()
) -> Entry:
    entry = Entry(f"emostream_{name}", kind, about, labels, buckets)
    _entries.append(entry)
    return entry


def _counter(name: str, about: str, *labels: str) -> Entry:
    return _entry(Kind.COUNTER, name, about, labels=labels)


def _gauge(name: str, about: str, *labels: str) -> Entry:
    return _entry(Kind.GAUGE, name, about, labels=labels)


def _histogram(name: str, about: str, *labels: str, buckets: tuple[float, ...]) -> Entry:
    return _entry(Kind.HISTOGRAM, name, about, labels=labels, buckets=buckets)


_POWERS_OF_TWO = tuple(float(2**power) for power in range(13))
_POWERS_OF_FOUR = tuple(float(4**power) for power in range(2, 11))
_STAGE_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
_DELAY_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0, 3600.0, 86400.0)
_PADDING = (1.01, 1.02, 1.05, 1.1, 1.2, 1.35, 1.5, 2.0, 3.0, 5.0, 10.0)

RECORDS_CONSUMED = _counter("records_consumed", "Records read from an input topic, repeats included.", "topic")
RECORDS_REDONE = _counter(
    "records_redone", "Records in hand that were dropped by a rebalance or a failed publication, to be read again."
)
OUTCOMES = _counter("outcomes", "Records with a durably published outcome: accepted, abstained or dead.", "outcome")
ACCEPTED_LABELS = _counter(
    "accepted_labels", "Labels given to accepted records (several for one record if multi-label).", "label"
)
REVIEW_REASONS = _counter("review_reasons", "Reasons for which records went to the review topic.", "reason")
DEAD_LETTERS = _counter("dead_letters", "Dead-lettered records, by reason.", "reason")

DRIFT_PSI = _gauge(
    "drift_psi",
    "Population stability index of recent confidences against the policy's reference (above 0.25: changed); NaN "
    "without a reference.",
)
DRIFT_ALARM = _gauge(
    "drift_alarm",
    "1 since the policy's drift check raised an alarm: its guarantee may not hold; until the next start, or until "
    "another policy is taken over.",
)
POLICY_RELOADS = _counter(
    "policy_reloads",
    "Changes of the policy file found between waves: applied, refused (the former policy stays in force).",
    "result",
)
EXPECTED_ACCURACY = _gauge(
    "expected_accuracy",
    "Mean probability of the most likely label in recent records: the accuracy, if the scores are calibrated; NaN "
    "without a reference.",
)

WAVES = _counter("waves", "Published waves, by what closed them.", "close_reason")
WAVE_MESSAGES = _histogram("wave_messages", "Records in a wave.", buckets=_POWERS_OF_TWO)
WAVE_TOKENS = _histogram("wave_tokens", "Real tokens in a wave.", buckets=_POWERS_OF_FOUR)
WAVE_PADDING_RATIO = _histogram(
    "wave_padding_ratio", "Padded tokens over real tokens in a wave's forward passes; 1 is perfect.", buckets=_PADDING
)
WAVE_STAGE_SECONDS = _histogram(
    "wave_stage_seconds",
    "Time of a wave in one stage: tokenize, infer, decide, publish, and wait, which is all the rest.",
    "stage",
    buckets=_STAGE_SECONDS,
)
END_TO_END_SECONDS = _histogram(
    "end_to_end_seconds",
    "From a record's own timestamp until its outcome was durably published.",
    buckets=_DELAY_SECONDS,
)

LAG_RECORDS = _gauge(
    "lag_records", "Records between what was read and the end of an owned partition.", "topic", "partition"
)
OLDEST_UNPROCESSED_SECONDS = _gauge(
    "oldest_unprocessed_seconds",
    "How long the oldest record in hand has been waiting for its outcome to be published; 0 without any.",
)
ASSIGNED_PARTITIONS = _gauge("assigned_partitions", "Partitions this worker owns now.")
REBALANCES = _counter("rebalances", "Rebalances of the consumer group that this worker saw.")
TRANSACTIONS = _counter(
    "transactions",
    "Publications by result: committed, failed (surely not committed), unknown (resolved from the committed offsets), "
    "fenced (another member owns the work).",
    "result",
)

INFERENCE_TEXTS = _counter("inference_texts", "Texts given to the engine.")
INFERENCE_REPEATED_TEXTS = _counter(
    "inference_repeated_texts", "Texts answered by an identical one or the cache, without a forward pass."
)
INFERENCE_ISOLATED_TEXTS = _counter(
    "inference_isolated_texts", "Texts that made the model fail and were isolated by bisection."
)
INFERENCE_FORWARD_PASSES = _counter("inference_forward_passes", "Forward passes of the model.")
INFERENCE_REAL_TOKENS = _counter("inference_real_tokens", "Tokens of texts in forward passes.")
INFERENCE_PADDED_TOKENS = _counter(
    "inference_padded_tokens",
    "Tokens computed in forward passes, padding included; over real_tokens: the padding ratio.",
)

MODEL_INFO = _gauge(
    "model_info", "1 for the model in use.", "name", "revision", "task", "backend", "precision", "device"
)
BUILD_INFO = _gauge("build_info", "1 for the running version.", "version", "python")

CATALOGUE: tuple[Entry, ...] = tuple(_entries)
