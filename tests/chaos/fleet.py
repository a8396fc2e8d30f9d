"""The workers of a run: real processes that are started, hurt and counted."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Self

import yaml


@dataclass
class WorkerProcess:
    """One process; its log is a file of JSON lines."""

    process: subprocess.Popen[bytes]
    log_path: Path
    doomed: bool = False
    """We have ended it, or asked it to end."""

    @property
    def running(self) -> bool:
        return self.process.poll() is None

    def signal(self, number: signal.Signals) -> None:
        if self.running:
            self.process.send_signal(number)

    def end(self, number: signal.Signals) -> None:
        """A signal that it does not survive."""
        self.doomed = True
        self.signal(number)

    def log(self) -> str:
        return self.log_path.read_text(errors="replace")

    def events(self) -> Iterator[dict[str, Any]]:
        """Its log lines with `at`, seconds since the epoch."""
        for line in self.log().splitlines():
            try:
                event = json.loads(line)
            except ValueError:
                continue
            event["at"] = datetime.fromisoformat(event["timestamp"]).timestamp()
            yield event

    def wait_for(self, event: str, *, times: int = 1, timeout_s: float = 120) -> None:
        """Until its log holds an event so many times. Raises AssertionError with the log."""
        deadline = time.monotonic() + timeout_s
        while self.log().count(f'"{event}"') < times:
            assert self.running, f"the worker ended with {self.process.returncode}:\n{self.log()}"
            assert time.monotonic() < deadline, f"no {event} within {timeout_s} s:\n{self.log()[-4000:]}"
            time.sleep(0.05)

    def wait(self, timeout_s: float) -> int:
        """Its exit code. Raises AssertionError with its log, and where its threads stand, when it does not end."""
        try:
            return self.process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self.signal(signal.SIGABRT)
            self.process.wait(20)
        raise AssertionError(f"the worker did not end within {timeout_s:g} s:\n{self.log()[-12_000:]}")


@dataclass(frozen=True)
class Death:
    """A worker that ended and was not asked to."""

    at: float
    code: int
    last_line: str


@dataclass
class Fleet:
    """Keeps some workers running in a folder. What ends by itself is noted, and started anew as a supervisor would."""

    folder: Path
    config: Mapping[str, Any]
    program: Sequence[str] = ("-m", "worker", "run")
    workers: list[WorkerProcess] = field(default_factory=list)
    deaths: list[Death] = field(default_factory=list)
    everyone: list[WorkerProcess] = field(default_factory=list)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self.everyone:
            worker.end(signal.SIGKILL)
        for worker in self.everyone:
            worker.process.wait(20)

    def start(self, *options: str) -> WorkerProcess:
        path = self.folder / "worker.yaml"
        path.write_text(yaml.safe_dump(dict(self.config)))
        log_path = self.folder / f"worker-{len(self.everyone)}.log"
        command = [sys.executable, *self.program, "--config", str(path), *options]
        with log_path.open("wb") as log:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=log,
                env={**os.environ, "PYTHONFAULTHANDLER": "1"},
            )
        worker = WorkerProcess(process, log_path)
        self.workers.append(worker)
        self.everyone.append(worker)
        return worker

    def pick(self, share: float) -> WorkerProcess:
        """One of those that run and are not doomed."""
        living = [worker for worker in self.workers if worker.running and not worker.doomed] or [self.start()]
        return living[int(share * len(living)) % len(living)]

    def keep(self, count: int) -> None:
        """Note who died, forget who is gone, and start as many as are missing."""
        for worker in [each for each in self.workers if not each.running]:
            self.workers.remove(worker)
            if not worker.doomed:
                lines = worker.log().splitlines() or [""]
                self.deaths.append(Death(time.time(), worker.process.returncode, lines[-1]))
        while sum(not worker.doomed for worker in self.workers) < count:
            self.start()

    def shrink(self, count: int, number: signal.Signals) -> None:
        """End workers, the oldest first, until only so many are left."""
        living = [worker for worker in self.workers if worker.running and not worker.doomed]
        for worker in living[: max(0, len(living) - count)]:
            worker.end(number)

    def stop(self, timeout_s: float) -> list[int]:
        """SIGTERM to all that were not asked to end yet, once they are up; their exit codes."""
        asked = [worker for worker in self.workers if not worker.doomed]
        for worker in asked:
            worker.wait_for("worker.started")
            worker.end(signal.SIGTERM)
        return [worker.wait(timeout_s) for worker in asked]

    def events(self) -> list[dict[str, Any]]:
        return [event for worker in self.everyone for event in worker.events()]

    def rss_bytes(self) -> list[int]:
        """Resident memory of those that run, as the kernel counts it."""
        page = os.sysconf("SC_PAGE_SIZE")
        return [
            int(Path(f"/proc/{worker.process.pid}/statm").read_text().split()[1]) * page
            for worker in self.workers
            if worker.running
        ]
