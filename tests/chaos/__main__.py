"""`python -m tests.chaos --seconds 300 --seed 1`: hurt workers for longer than the tests do, and print a table."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections import defaultdict
from dataclasses import asdict
from pathlib import Path

from tests.chaos.run import Hurt, Report, run
from tests.chaos.schedule import Kind, plan
from tests.chaos.site import site


def main() -> int:
    """0 when every promise was kept, 1 otherwise."""
    arguments = _arguments()
    kinds = [kind for kind in Kind if not arguments.only or kind.name in arguments.only.split(",")]
    folder = Path(arguments.folder or tempfile.mkdtemp(prefix="emostream-chaos-"))
    folder.mkdir(parents=True, exist_ok=True)
    with site(nodes=arguments.nodes) as place:
        report = run(
            place,
            folder,
            faults=plan(arguments.seed, nodes=arguments.nodes, kinds=kinds),
            seed=arguments.seed,
            seconds=arguments.seconds,
            delivery=arguments.delivery,
            assignor=arguments.assignor,
            client=arguments.client,
            rate=arguments.rate,
            say=lambda line: print(line, file=sys.stderr, flush=True),
        )
    print(table(report.hurts))
    setting = (f"seed {arguments.seed}", f"{arguments.nodes} nodes", arguments.delivery, arguments.assignor)
    print("\n" + ", ".join([*setting, arguments.client]))
    print(f"{report.verdict}\nworkers that ended by themselves: {len(report.deaths)}; last exits: {report.exits}")
    for reason, count in sorted(report.unpublished.items()):
        print(f"  wave not published {count:4} times: {reason}")
    for death in report.deaths:
        print(f"  exit {death.code}: {death.last_line}")
    print(f"logs: {folder}")
    if arguments.json:
        Path(arguments.json).write_text(json.dumps(_plain(report, arguments), indent=1))
    return 0 if kept(report, arguments.delivery) else 1


def kept(report: Report, delivery: str) -> bool:
    """Whether the delivery promise holds and no worker ended by itself."""
    verdict = report.verdict
    promise = verdict.exactly_once if delivery == "exactly-once" else verdict.at_least_once
    return promise and not report.deaths and not any(report.exits)


def table(hurts: list[Hurt]) -> str:
    """A line for each kind of fault: how often, and the worst of each figure."""
    kinds: dict[Kind, list[Hurt]] = defaultdict(list)
    for hurt in hurts:
        kinds[hurt.fault.kind].append(hurt)
    head = f"{'fault':38} {'times':>5} {'stalled_s':>9} {'progress_s':>10} {'recovered_s':>11} {'redone':>6}"
    lines = [
        f"{kind:38} {len(found):5} {max(h.stalled_s for h in found):9.1f} {max(h.progress_s for h in found):10.1f} "
        f"{max(h.recovered_s for h in found):11.1f} {max(h.redone for h in found):6}"
        for kind, found in sorted(kinds.items())
    ]
    return "\n".join([head, *lines])


def _plain(report: Report, arguments: argparse.Namespace) -> dict[str, object]:
    return {"run": vars(arguments), **asdict(report)}


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--seconds", type=float, default=300)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--nodes", type=int, default=1, help="brokers: 1, or 3 with replication factor 3")
    parser.add_argument("--delivery", choices=["exactly-once", "at-least-once"], default="exactly-once")
    parser.add_argument("--assignor", choices=["cooperative-sticky", "range"], default="cooperative-sticky")
    parser.add_argument("--client", choices=["kafka-python", "confluent-kafka"], default="kafka-python")
    parser.add_argument("--rate", type=float, default=60, help="input records a second")
    parser.add_argument("--only", help=f"kinds of fault, separated by commas: {', '.join(kind.name for kind in Kind)}")
    parser.add_argument("--folder", help="where the workers' logs are kept")
    parser.add_argument("--json", help="a file for the whole report")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
