"""The metrics for people: docs/metrics.md, made from the catalogue."""

from __future__ import annotations

from worker.observability.catalogue import CATALOGUE, Entry

_HEAD = """# Metrics

Made from the worker's own catalogue by `python -m worker.observability`; do not edit.

Served at `/metrics` in the Prometheus text format, or as OpenMetrics to a scraper that asks for it, beside the usual
`process_…` metrics of a Prometheus client. Units are seconds, records and tokens. No label value comes from a message.

| metric | type | labels | says | buckets |
|---|---|---|---|---|
"""


def page() -> str:
    """docs/metrics.md."""
    return _HEAD + "".join(_row(entry) for entry in CATALOGUE)


def _row(entry: Entry) -> str:
    labels = ", ".join(f"`{label}`" for label in entry.labels) or "-"
    buckets = " ".join(f"{bound:.12g}" for bound in entry.buckets) or "-"
    return f"| `{entry.exposed_name}` | {entry.kind} | {labels} | {entry.about} | {buckets} |\n"
