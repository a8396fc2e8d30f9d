"""docs/benchmarks.json holds what was measured, docs/benchmarks.md its tables; each part replaces its own alone.

A table stands between `<!-- generated: NAME -->` and `<!-- end: NAME -->`; the prose around is written by hand.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.benchmarks.environments import ROOT
from tests.benchmarks.machine import in_words

DOCS = ROOT / "docs"
PAGE, DATA = "benchmarks.md", "benchmarks.json"
BY_MODEL = ("models", "repeated", "machines")


def read(folder: Path = DOCS) -> dict[str, Any]:
    """Everything measured so far, by part."""
    path = folder / DATA
    return dict(json.loads(path.read_text(encoding="utf-8"))) if path.exists() else {}


def store(part: str, measured: Mapping[str, Any], folder: Path = DOCS) -> None:
    """Put a part's figures in the place of its former ones."""
    everything = {**read(folder), part: measured}
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(dict(sorted(everything.items())), indent=1, ensure_ascii=False)
    (folder / DATA).write_text(text + "\n", encoding="utf-8")


def merged(former: Mapping[str, Any], measured: Mapping[str, Any]) -> dict[str, Any]:
    """What was measured of a part; what it has by model keeps the former figures of models that were not."""
    by_model = {key: {**former.get(key, {}), **measured[key]} for key in BY_MODEL if key in measured}
    return {**measured, **by_model}


def machine_of(part: Mapping[str, Any]) -> str:
    """The machine and date of a part in words: one line, or one for each model where they were measured one by one."""
    models = part.get("models", {})
    machines = part.get("machines") or dict.fromkeys(models, part["machine"])
    if all(machines.get(name) == part["machine"] for name in models):
        return f"{in_words(part['machine'])}."
    lines = [
        f"{model['about']}: {in_words(machines[name]) if name in machines else 'measured earlier'}."
        for name, model in models.items()
    ]
    return "\n\n".join(lines)


def rewrite(tables: Mapping[str, str], folder: Path = DOCS) -> list[str]:
    """Put the tables into the page; the names that have no markers there, whose tables are left out."""
    path = folder / PAGE
    page = path.read_text(encoding="utf-8") if path.exists() else (DOCS / PAGE).read_text(encoding="utf-8")
    path.write_text(refreshed(page, tables), encoding="utf-8")
    return [name for name in tables if _section(name).search(page) is None]


def refreshed(page: str, tables: Mapping[str, str]) -> str:
    """The page with these tables between their markers, and everything else as it was."""
    for name, table in tables.items():
        page = _section(name).sub(lambda found, table=table: f"{found[1]}\n{table.strip()}\n{found[2]}", page)
    return page


def _section(name: str) -> re.Pattern[str]:
    return re.compile(rf"(<!-- generated: {re.escape(name)} -->)\n.*?(<!-- end: {re.escape(name)} -->)", re.DOTALL)
