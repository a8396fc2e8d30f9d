"""`python -m tests.chaos.summary RUN.json…`: the reports of several runs as the tables of docs/reliability.md."""

from __future__ import annotations

import json
import statistics
import sys
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any


def main() -> int:
    runs = [json.loads(Path(name).read_text()) for name in sys.argv[1:]]
    print(verdicts(runs), hurts(runs), sep="\n\n")
    return 0


def verdicts(runs: Sequence[dict[str, Any]]) -> str:
    """A line for each run."""
    lines = [
        _row(
            [
                "brokers",
                "delivery",
                "assignor",
                "seed",
                "minutes",
                "faults",
                "records",
                "lost",
                "duplicated",
                "misordered",
                "redone",
            ]
        ),
        _row(["---"] * 11),
    ]
    for each in runs:
        run, verdict = each["run"], each["verdict"]
        found = [len(verdict[name]) for name in ("lost", "duplicated", "misordered")]
        redone = sum(hurt["redone"] for hurt in each["hurts"])
        cells = [run["nodes"], run["delivery"], run["assignor"], run["seed"], round(run["seconds"] / 60, 1)]
        lines.append(_row([*cells, len(each["hurts"]), verdict["sent"], *found, redone]))
    return "\n".join(lines)


def hurts(runs: Sequence[dict[str, Any]]) -> str:
    """A line for each kind of fault: median and worst of what it cost."""
    kinds: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for run in runs:
        for hurt in run["hurts"]:
            kinds[hurt["fault"]["kind"]].append(hurt)
    lines = ["| fault | times | stalled_s | progress_s | recovered_s | redone |", "|---|---|---|---|---|---|"]
    for kind, found in sorted(kinds.items()):
        figures = [_spread([hurt[name] for hurt in found]) for name in ("stalled_s", "progress_s", "recovered_s")]
        redone = f"{statistics.median(hurt['redone'] for hurt in found):.0f} / {max(hurt['redone'] for hurt in found)}"
        lines.append(_row([kind, len(found), *figures, redone]))
    return "\n".join(lines)


def _spread(values: Sequence[float]) -> str:
    return f"{statistics.median(values):.1f} / {max(values):.1f}"


def _row(cells: Sequence[object]) -> str:
    return "| " + " | ".join(map(str, cells)) + " |"


if __name__ == "__main__":
    sys.exit(main())
