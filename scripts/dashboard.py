"""Makes the Grafana dashboard: `python -m scripts.dashboard`. A test fails when the file is stale.

Used by the Helm chart (ConfigMap for Grafana's sidecar) and by docker-compose.yml (profile `observe`).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

FILE = Path(__file__).parents[1] / "helm" / "emostream" / "files" / "dashboard.json"

SOURCE = {"type": "prometheus", "uid": "${datasource}"}
ONLY = '{job=~"$job"}'
WIDTH, HEIGHT = 8, 8


@dataclass(frozen=True, slots=True)
class Panel:
    """A graph (or, `stat`, one number): what it says, its unit in Grafana's words, and (expression, legend) pairs."""

    title: str
    about: str
    unit: str
    queries: Sequence[tuple[str, str]]
    stacked: bool = False
    stat: bool = False


def _rate(metric: str, *labels: str) -> str:
    by = f"by ({', '.join(labels)}) " if labels else ""
    return f"sum {by}(rate({metric}{ONLY}[$__rate_interval]))"


def _ratio(over: str, under: str, *labels: str) -> str:
    return f"{_rate(over, *labels)} / {_rate(under, *labels)}"


def _quantile(quantile: float, metric: str, *labels: str) -> str:
    return f"histogram_quantile({quantile}, {_rate(f'{metric}_bucket', 'le', *labels)})"


def _share(metric: str, label: str) -> str:
    return f"{_rate(metric, label)} / on () group_left () {_rate(metric)}"


ROWS: Sequence[tuple[str, Sequence[Panel]]] = (
    (
        "Now",
        (
            Panel(
                "Outcomes a second",
                "Records with a durably published outcome.",
                "ops",
                [(_rate("emostream_outcomes_total"), "all")],
                stat=True,
            ),
            Panel(
                "Records behind",
                "Between what was read and the end of the partitions.",
                "short",
                [(f"sum (emostream_lag_records{ONLY})", "all")],
                stat=True,
            ),
            Panel(
                "Workers",
                "Workers that own partitions.",
                "short",
                [(f"count (emostream_assigned_partitions{ONLY} > 0)", "all")],
                stat=True,
            ),
        ),
    ),
    (
        "Throughput and delay",
        (
            Panel(
                "Records a second",
                "In: read, repeats included. Out: by outcome.",
                "ops",
                [
                    (_rate("emostream_records_consumed_total"), "read"),
                    (_rate("emostream_outcomes_total", "outcome"), "{{outcome}}"),
                ],
            ),
            Panel(
                "Lag by topic",
                "Records between what was read and the end of the partitions.",
                "short",
                [(f"sum by (topic) (emostream_lag_records{ONLY})", "{{topic}}")],
            ),
            Panel(
                "Oldest record in hand",
                "How long it has been waiting for its outcome.",
                "s",
                [(f"max by (instance) (emostream_oldest_unprocessed_seconds{ONLY})", "{{instance}}")],
            ),
            Panel(
                "End to end",
                "From a record's timestamp to its published outcome.",
                "s",
                [
                    (_quantile(0.5, "emostream_end_to_end_seconds"), "median"),
                    (_quantile(0.95, "emostream_end_to_end_seconds"), "95 %"),
                    (_quantile(0.99, "emostream_end_to_end_seconds"), "99 %"),
                ],
            ),
            Panel(
                "Seconds by stage",
                "Mean time of a wave in each stage.",
                "s",
                [
                    (
                        _ratio("emostream_wave_stage_seconds_sum", "emostream_wave_stage_seconds_count", "stage"),
                        "{{stage}}",
                    )
                ],
                stacked=True,
            ),
            Panel(
                "Partitions by worker",
                "Who owns how many.",
                "short",
                [(f"sum by (instance) (emostream_assigned_partitions{ONLY})", "{{instance}}")],
                stacked=True,
            ),
        ),
    ),
    (
        "What comes out",
        (
            Panel(
                "Shares of outcomes",
                "Accepted, abstained, dead.",
                "percentunit",
                [(_share("emostream_outcomes_total", "outcome"), "{{outcome}}")],
                stacked=True,
            ),
            Panel(
                "Shares of labels",
                "Among the labels of accepted records.",
                "percentunit",
                [(_share("emostream_accepted_labels_total", "label"), "{{label}}")],
                stacked=True,
            ),
            Panel(
                "Reasons for review",
                "Records a second that went to the review topic.",
                "ops",
                [(_rate("emostream_review_reasons_total", "reason"), "{{reason}}")],
                stacked=True,
            ),
            Panel(
                "Dead letters",
                "By reason.",
                "ops",
                [(_rate("emostream_dead_letters_total", "reason"), "{{reason}}")],
                stacked=True,
            ),
            Panel(
                "Drift",
                "Population stability index of confidences against the policy's reference; above 0.25: changed.",
                "short",
                [(f"max by (instance) (emostream_drift_psi{ONLY})", "{{instance}}")],
            ),
            Panel(
                "Policy files",
                "Changes found in 5 minutes: taken over, refused.",
                "short",
                [(f"sum by (result) (increase(emostream_policy_reloads_total{ONLY}[5m]))", "{{result}}")],
            ),
        ),
    ),
    (
        "Waves and the model",
        (
            Panel(
                "Why waves close",
                "Waves a second, by what closed them.",
                "ops",
                [(_rate("emostream_waves_total", "close_reason"), "{{close_reason}}")],
                stacked=True,
            ),
            Panel(
                "Records in a wave",
                "Median and 95 %.",
                "short",
                [
                    (_quantile(0.5, "emostream_wave_messages"), "median"),
                    (_quantile(0.95, "emostream_wave_messages"), "95 %"),
                ],
            ),
            Panel(
                "Padding ratio",
                "Tokens computed over tokens of texts; 1 is perfect.",
                "short",
                [
                    (
                        _ratio("emostream_inference_padded_tokens_total", "emostream_inference_real_tokens_total"),
                        "ratio",
                    )
                ],
            ),
            Panel(
                "Tokens a second",
                "Of texts, in forward passes.",
                "short",
                [(_rate("emostream_inference_real_tokens_total"), "tokens")],
            ),
            Panel(
                "Repeated texts",
                "Share answered without a forward pass.",
                "percentunit",
                [
                    (
                        _ratio("emostream_inference_repeated_texts_total", "emostream_inference_texts_total"),
                        "repeated",
                    )
                ],
            ),
            Panel(
                "Model",
                "Name, revision, backend and precision in use.",
                "short",
                [
                    (
                        f"count by (name, revision, backend, precision, device) (emostream_model_info{ONLY})",
                        "{{name}} {{backend}} {{precision}} {{device}} {{revision}}",
                    )
                ],
            ),
        ),
    ),
    (
        "Kafka",
        (
            Panel(
                "Publications",
                "Waves a second, by result.",
                "ops",
                [(_rate("emostream_transactions_total", "result"), "{{result}}")],
            ),
            Panel(
                "Rebalances",
                "In 5 minutes, by worker.",
                "short",
                [(f"sum by (instance) (increase(emostream_rebalances_total{ONLY}[5m]))", "{{instance}}")],
            ),
            Panel(
                "Records done again",
                "Dropped by a rebalance or a failed publication.",
                "ops",
                [(_rate("emostream_records_redone_total"), "redone")],
            ),
        ),
    ),
    (
        "Process",
        (
            Panel(
                "Memory", "Resident, by worker.", "bytes", [(f"process_resident_memory_bytes{ONLY}", "{{instance}}")]
            ),
            Panel(
                "CPU",
                "CPU seconds a second, by worker.",
                "short",
                [(f"rate(process_cpu_seconds_total{ONLY}[$__rate_interval])", "{{instance}}")],
            ),
            Panel(
                "Uptime",
                "Seconds since the start, by worker.",
                "s",
                [(f"time() - process_start_time_seconds{ONLY}", "{{instance}}")],
            ),
        ),
    ),
)


def dashboard() -> dict[str, Any]:
    """The dashboard as Grafana imports it."""
    return {
        "title": "emostream",
        "uid": "emostream",
        "description": "Workers that classify streams of text.",
        "tags": ["emostream", "kafka"],
        "schemaVersion": 39,
        "editable": True,
        "graphTooltip": 1,
        "refresh": "10s",
        "time": {"from": "now-30m", "to": "now"},
        "templating": {"list": [_datasource(), _job()]},
        "panels": list(_panels()),
    }


def expressions() -> Iterator[tuple[str, str]]:
    """Title and expression of every query."""
    for _, panels in ROWS:
        for panel in panels:
            for expression, _ in panel.queries:
                yield panel.title, expression


def _datasource() -> dict[str, Any]:
    return {"name": "datasource", "label": "Prometheus", "type": "datasource", "query": "prometheus"}


def _job() -> dict[str, Any]:
    return {
        "name": "job",
        "label": "Workers",
        "type": "query",
        "datasource": SOURCE,
        "query": {"query": "label_values(emostream_build_info, job)", "refId": "job"},
        "refresh": 2,
        "multi": True,
        "includeAll": True,
        "allValue": ".*",
        "current": {"text": "All", "value": "$__all"},
    }


def _panels() -> Iterator[dict[str, Any]]:
    numbers = count(1)
    y = 0
    for title, panels in ROWS:
        yield {"id": next(numbers), "type": "row", "title": title, "gridPos": _place(0, y, 24, 1), "panels": []}
        y += 1
        for start in range(0, len(panels), 24 // WIDTH):
            line = panels[start : start + 24 // WIDTH]
            height = HEIGHT // 2 if all(panel.stat for panel in line) else HEIGHT
            for column, panel in enumerate(line):
                yield {"id": next(numbers), "gridPos": _place(column * WIDTH, y, WIDTH, height), **_panel(panel)}
            y += height


def _place(x: int, y: int, width: int, height: int) -> dict[str, int]:
    return {"x": x, "y": y, "w": width, "h": height}


def _panel(panel: Panel) -> dict[str, Any]:
    custom = {"stacking": {"mode": "normal"}, "fillOpacity": 30} if panel.stacked else {"fillOpacity": 5}
    return {
        "type": "stat" if panel.stat else "timeseries",
        "title": panel.title,
        "description": panel.about,
        "datasource": SOURCE,
        "fieldConfig": {
            "defaults": {"unit": panel.unit, "min": 0, "custom": {} if panel.stat else custom},
            "overrides": [],
        },
        "targets": [
            {"refId": chr(ord("A") + place), "datasource": SOURCE, "expr": expression, "legendFormat": legend}
            for place, (expression, legend) in enumerate(panel.queries)
        ],
    }


if __name__ == "__main__":
    FILE.write_text(json.dumps(dashboard(), indent=1) + "\n", encoding="utf-8")
