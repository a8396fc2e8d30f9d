"""Contenders as processes: what they took from the machine, and taking turns with one that stays.

CPU seconds are the kernel's own count for the process and the children it waited for. The peak of resident memory is
the kernel's too (VmHWM), last read while the process lived: what wait4 tells of it counts our own from before exec.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from confluent_kafka import KafkaException

from tests.benchmarks.environments import ROOT

PATIENCE_S = 15.0
"""How long a contender may take to end after SIGTERM before it is killed."""


TURN_TIMEOUT_S = 300.0
"""How long a turn may take before the contender counts as hung."""
GIVE_UP_AFTER = 2
"""Rounds that a contender may fail in before it is left alone; what failed stands in its line."""


class ContenderFailed(Exception):
    """It ended, or gave no answer in time; the message says which, with the last line it wrote."""


FAILURES = (ContenderFailed, KafkaException, AssertionError, ValueError, OSError, subprocess.SubprocessError)
"""What may come of a contender or of a broker under load: the others go on."""


def attempt(found: dict[str, Any], measure: Callable[[], dict[str, Any]]) -> str:
    """One round of a contender: its figures go into `rounds`, what went wrong into `failures`. What to print of it."""
    failures = found.setdefault("failures", [])
    if len(failures) >= GIVE_UP_AFTER:
        return "left alone"
    try:
        done = measure()
    except FAILURES as failed:
        failures.append(f"{failed}"[:300] or type(failed).__name__)
        return f"failed: {failures[-1]}"
    found.setdefault("rounds", []).append(done)
    return ", ".join(f"{name} {value:.4g}" for name, value in done.items() if isinstance(value, int | float))


def named(name: str, found: Mapping[str, Any]) -> str:
    """A contender as the tables have it: with its failed rounds, if there were any."""
    failures = found.get("failures", [])
    rounds = "one round" if len(failures) == 1 else f"{len(failures)} rounds"
    return f"{name} ({rounds} failed: {failures[-1]})" if failures else name


@dataclass(frozen=True)
class Taken:
    """User and system seconds, and the peak of resident memory in MiB."""

    cpu_s: float
    peak_mib: float


class Contender:
    """A process whose end is measured. What it writes goes to `log`, what it leaves lying to `folder`.

    One that `answers` takes turns over its standard input and output.
    """

    def __init__(self, command: Sequence[str], *, log: Path, folder: Path = ROOT, answers: bool = False) -> None:
        self._log = log
        with log.open("wb") as stderr:
            self.process = subprocess.Popen(
                [str(word) for word in command],
                stdin=subprocess.PIPE if answers else subprocess.DEVNULL,
                stdout=subprocess.PIPE if answers else stderr,
                stderr=stderr,
                text=True,
                cwd=folder,
                env={**os.environ, "TOKENIZERS_PARALLELISM": "true", "HF_HUB_OFFLINE": "1"},
            )
        self._taken: Taken | None = None
        self._peak_mib = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _at: TracebackType | None
    ) -> None:
        self.end()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                pipe.close()

    def turn(self, **wanted: Any) -> dict[str, Any]:
        """One round of a contender that stays: JSON there, JSON back (nothing wanted: its first line)."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        patience = threading.Timer(TURN_TIMEOUT_S, self._signal, [signal.SIGKILL])
        patience.start()
        try:
            if wanted:
                self.process.stdin.write(json.dumps(wanted) + "\n")
                self.process.stdin.flush()
            while answer := self.process.stdout.readline():
                if answer.startswith("{"):
                    return dict(json.loads(answer))
        except BrokenPipeError:
            pass
        finally:
            patience.cancel()
        raise ContenderFailed(f"ended: {self.last_line()}")

    def wait_until(self, done: Callable[[], bool], *, timeout_s: float, every_s: float = 0.2) -> None:
        """Raises ContenderFailed when it ends before, or nothing comes of it in time."""
        deadline = time.monotonic() + timeout_s
        while not done():
            if self.poll():
                raise ContenderFailed(f"ended too early: {self.last_line()}")
            if time.monotonic() > deadline:
                raise ContenderFailed(f"not done within {timeout_s:.0f} s")
            time.sleep(every_s)

    def wait(self, *, timeout_s: float) -> Taken:
        """Until it ends by itself with exit code 0."""
        deadline = time.monotonic() + timeout_s
        while not self.poll():
            if time.monotonic() > deadline:
                raise ContenderFailed(f"not ended within {timeout_s:.0f} s: {self.last_line()}")
            time.sleep(0.02)
        assert self._taken is not None
        if self.process.returncode:
            raise ContenderFailed(f"exit code {self.process.returncode}: {self.last_line()}")
        return self._taken

    def end(self) -> Taken:
        """SIGTERM, and SIGKILL when it does not listen; harmless when repeated."""
        for number in (signal.SIGTERM, signal.SIGKILL):
            if self.poll():
                break
            self._signal(number)
            deadline = time.monotonic() + PATIENCE_S
            while not self.poll() and time.monotonic() < deadline:
                time.sleep(0.02)
        assert self._taken is not None
        return self._taken

    def poll(self) -> bool:
        """Whether it has ended; what it took is known from then on."""
        if self._taken is None:
            self._peak_mib = max(self._peak_mib, peak_mib(self.process.pid))
            pid, status, usage = os.wait4(self.process.pid, os.WNOHANG)
            if pid == 0:
                return False
            self.process.returncode = os.waitstatus_to_exitcode(status)
            self._taken = Taken(usage.ru_utime + usage.ru_stime, self._peak_mib)
        return True

    def _signal(self, number: signal.Signals) -> None:
        """Not by Popen, which would reap the process and lose what it took."""
        if self._taken is None:
            os.kill(self.process.pid, number)

    def last_line(self) -> str:
        lines = [line.strip() for line in self._log.read_text(errors="replace").splitlines() if line.strip()]
        return lines[-1][:300] if lines else "it wrote nothing"


def cpu_seconds(pid: int) -> float:
    """User and system seconds of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def peak_mib(pid: int) -> float:
    """The most resident memory of a process so far; 0 when it has none any more."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0.0
    lines = [line for line in status.splitlines() if line.startswith("VmHWM:")]
    return int(lines[0].split()[1]) / 1024 if lines else 0.0
