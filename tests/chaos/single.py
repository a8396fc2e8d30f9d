"""`python -m tests.chaos.single`: the single trials as measurements, beside what the tests assert of them."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from tests.chaos.trials import TRIALS, Ground, long_forward_pass
from tests.conftest import start_jvm_broker


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.single", description=__doc__)
    parser.add_argument("--only", choices=[*TRIALS], action="append", help="may be repeated; else all of them")
    parser.add_argument("--forward-s", type=float, help="for how long the long forward pass takes")
    arguments = parser.parse_args()
    trials = dict(TRIALS)
    if arguments.forward_s is not None:
        trials["long forward pass"] = lambda ground: long_forward_pass(ground, forward_s=arguments.forward_s)
    with start_jvm_broker() as broker:
        ground = Ground(broker, Path(tempfile.mkdtemp(prefix="emostream-single-")))
        for name in arguments.only or trials:
            trial = trials[name](ground)
            print(f"{name}: exit {trial.code}, {trial.noted}, {trial.verdict}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
