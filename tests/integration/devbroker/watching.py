"""Seeing what is left of processes and folders, with a deadline instead of a guess."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[3]


def becomes(condition: Callable[[], bool], *, within_s: float = 20.0) -> bool:
    """Whether the condition comes true before the deadline."""
    deadline = time.monotonic() + within_s
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def running(pid: int) -> bool:
    """Whether the process exists; one that has ended and that nobody reaped does not count."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


def gone(pids: Iterable[int], folder: Path) -> bool:
    """Whether none of the processes and nothing of the folder is left, soon."""
    pids = list(pids)
    return becomes(lambda: not any(map(running, pids)) and not folder.exists())


@contextmanager
def python(program: str, **environ: str) -> Iterator[subprocess.Popen[str]]:
    """A Python process of its own, in its own session, whose output can be read; killed at the end if it still runs."""
    process = subprocess.Popen(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "ignore", **environ},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def said(process: subprocess.Popen[str]) -> Any:
    """The next line of JSON the process prints; its errors if it ends instead."""
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        raise AssertionError(f"the process ended: {process.communicate()[1]}")
    return json.loads(line)


def end(process: subprocess.Popen[str], number: signal.Signals) -> int:
    """Send the signal and give the exit status."""
    process.send_signal(number)
    return process.wait(30)
