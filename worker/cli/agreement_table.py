"""How far a model stands from float32, as a table on standard output."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from worker.inference.agreement import AgreementRecord


def print_agreement(record: AgreementRecord) -> None:
    """The figures of `agreement.json`, each beside its limit if it has one."""
    from rich.console import Console
    from rich.table import Table

    from worker.inference.agreement import LIMITS

    found, limit = record.agreement, LIMITS.get(record.form.precision)
    table = Table(
        title=f"{record.form.precision} against float32, {found.texts:,} texts", title_justify="left", title_style=""
    )
    table.add_column("probabilities")
    for name in ("found", "limit"):
        table.add_column(name, justify="right")
    table.add_row("largest difference", f"{found.largest:.4g}", "")
    table.add_row("99th percentile", f"{found.p99:.4g}", f"{limit.p99:g}" if limit else "")
    table.add_row("same answer", f"{100 * found.same_answer:.2f} %", f"{100 * limit.same_answer:g} %" if limit else "")
    for form in (record.reference, record.form):
        if form.accuracy is not None:
            table.add_row(f"accuracy in {form.precision}", f"{form.accuracy:.4f}", "")
    Console().print(table)
