"""The coverage-guided fuzzer over all targets: `python -m tests.hostile --seconds 60 --corpus FOLDER`.

Each target runs in a process of its own (atheris ends the process it runs in) for its share of the seconds. An input
that crashes is kept as `crash-…` in the target's folder of the corpus; the exit code is 1 then.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

LONGEST_INPUT = 20_000
SLOWEST_S = 20
MEMORY_MB = 4_096


def main() -> int:
    parser = argparse.ArgumentParser(prog="tests.hostile")
    parser.add_argument("--seconds", type=int, default=60, help="in all")
    parser.add_argument("--corpus", type=Path, help="kept between runs; default: a temporary folder")
    parser.add_argument("--only", help="one target")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        corpus = arguments.corpus or Path(temporary)
        if arguments.only and "EMOSTREAM_FUZZING" in os.environ:
            return fuzz(arguments.only, corpus / slug(arguments.only), arguments.seconds, arguments.seed)
        return campaign(corpus, arguments.seconds, arguments.seed, arguments.only)


def slug(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name)


def campaign(corpus: Path, seconds: int, seed: int, only: str | None) -> int:
    """One process after the other; a line for each."""
    from tests.hostile.targets import TARGETS

    names = [only] if only else list(TARGETS)
    crashed = 0
    for name in names:
        folder = corpus / slug(name)
        folder.mkdir(parents=True, exist_ok=True)
        for number, seed_input in enumerate(TARGETS[name].seeds):
            (folder / f"seed-{number}").write_bytes(seed_input)
        command = [sys.executable, "-m", "tests.hostile", "--only", name, "--corpus", str(corpus)]
        command += ["--seconds", str(max(1, seconds // len(names))), "--seed", str(seed)]
        environ = {**os.environ, "EMOSTREAM_FUZZING": "1"}
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=environ, errors="replace")
        tried = re.findall(r"(?:Done (\d+) runs|stat::number_of_executed_units: (\d+))", done.stderr)
        count = max((int(a or b) for a, b in tried), default=0)
        sys.stdout.write(f"{name}: {count:,} inputs, {'crashed' if done.returncode else 'no crash'}\n")
        sys.stdout.flush()
        if done.returncode:
            crashed += 1
            sys.stdout.write(done.stderr[-3_000:] + "\n")
    return 1 if crashed else 0


def fuzz(name: str, folder: Path, seconds: int, seed: int) -> int:
    try:
        import atheris
    except ImportError:
        sys.stderr.write("atheris is not installed: make fuzz\n")
        return 2
    with atheris.instrument_imports(include=["worker", "schemas", "jsonpointer", "yaml", "cloudevents"]):
        from tests.hostile.targets import TARGETS

    options = [
        *[f"-max_total_time={seconds}", f"-max_len={LONGEST_INPUT}", f"-timeout={SLOWEST_S}", f"-seed={seed}"],
        *[f"-rss_limit_mb={MEMORY_MB}", "-print_final_stats=1", f"-artifact_prefix={folder}/"],
    ]
    atheris.Setup([sys.argv[0], *options, str(folder)], TARGETS[name].run)
    atheris.Fuzz()
    return 0


if __name__ == "__main__":
    sys.exit(main())
