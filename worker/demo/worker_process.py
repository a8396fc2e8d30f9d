"""The demo's worker: `emostream run` as a process of its own, which ends with the demo, however that ends."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from signal import SIGTERM
from typing import Any

import yaml

from worker.demo.messages import MAX_VALUE_BYTES
from worker.demo.outcomes import Topics
from worker.devbroker import DevBroker, DevBrokerUnavailable
from worker.devbroker.ports import free_ports
from worker.devbroker.processes import SupervisedProcesses
from worker.errors import EmostreamError

EMOSTREAM = (sys.executable, "-m", "worker")
HOST = "127.0.0.1"
NAME = "worker"
DRAIN_TIMEOUT_S = 10
STOP_TIMEOUT_S = 20.0
LEAVE_TIMEOUT_S = 3.0
PROBE_TIMEOUT_S = 1.0
POLL_S = 0.05
LAST_LINES = 15


class WorkerFailed(EmostreamError):
    """The worker ended, or did not end, as it should; `log` holds its last lines."""

    def __init__(self, what: str, log: str, *, exit_code: int) -> None:
        super().__init__(what)
        self.log = log
        self.exit_code = exit_code


@dataclass(frozen=True, slots=True)
class Assignment:
    """What the worker is to do, and for whom."""

    broker: DevBroker
    topics: Topics
    model: str


class WorkerProcess:
    """Starts at once; `close` leaves neither process nor files. `program`: what `run --config FILE` is given to."""

    def __init__(self, assignment: Assignment, *, program: Sequence[str] = EMOSTREAM) -> None:
        (self._port,) = free_ports(1)
        self._processes = SupervisedProcesses(environ=_environment())
        try:
            folder = self._processes.folder
            config = folder / "worker.yaml"
            config.write_text(yaml.safe_dump(settings(assignment, port=self._port), sort_keys=False))
            self._log = folder / "worker.log"
            worker = [*program, "run", "--config", str(config)]
            # a worker leaves the lock of its group's transactional id: here it goes with the folder
            self._processes.start(NAME, ["env", f"TMPDIR={folder}", *worker], log=self._log)
        except BaseException:
            self._processes.close()
            raise

    def ready(self) -> bool:
        """Whether its model is loaded and partitions are assigned. Raises WorkerFailed when it has ended."""
        self.check()
        connection = HTTPConnection(HOST, self._port, timeout=PROBE_TIMEOUT_S)
        try:
            connection.request("GET", "/readyz")
            return connection.getresponse().status == 200
        except (OSError, HTTPException):
            return False
        finally:
            connection.close()

    def check(self) -> None:
        """Raises WorkerFailed when it has ended."""
        status = self._processes.status(NAME)
        if status is not None:
            raise self._failed(f"the worker ended by itself ({_meaning(status)})", status)

    def stop(self) -> None:
        """SIGTERM, as a supervisor would; it must finish what it has in hand and exit 0. Raises WorkerFailed."""
        status = self._end(timeout_s=STOP_TIMEOUT_S)
        if status is None:
            raise self._failed(f"the worker did not end within {STOP_TIMEOUT_S:.0f} s of SIGTERM", 1)
        if status != 0:
            raise self._failed(f"the worker did not end well after SIGTERM ({_meaning(status)})", status)

    def close(self) -> None:
        """End it, with a few seconds to leave its group, and remove its files; harmless when repeated."""
        with contextlib.suppress(DevBrokerUnavailable):  # its keeper was killed, or it is closed already
            self._end(timeout_s=LEAVE_TIMEOUT_S)
        self._processes.close()

    def _end(self, *, timeout_s: float) -> int | None:
        """SIGTERM, then its exit status; None if it still runs after that time."""
        self._processes.signal(NAME, SIGTERM)
        deadline = time.monotonic() + timeout_s
        while (status := self._processes.status(NAME)) is None and time.monotonic() < deadline:
            time.sleep(POLL_S)
        return status

    def _failed(self, what: str, status: int) -> WorkerFailed:
        # bad usage stays bad usage: a model that does not exist is found by the worker
        return WorkerFailed(what, _tail(self._log), exit_code=status if status == 2 else 1)


def settings(assignment: Assignment, *, port: int) -> dict[str, Any]:
    """The worker's configuration; what it does not name has its default."""
    broker, topics = assignment.broker, assignment.topics
    return {
        "model": {"name": assignment.model},
        "kafka": {
            "bootstrap_servers": broker.bootstrap_servers,
            "group_id": topics.group_id,
            "input_topics": [topics.input],
            "output_topic": topics.output,
            "review_topic": topics.review,
            "dead_letter_topic": topics.dead_letter,
            "delivery": "exactly-once" if broker.transactional else "at-least-once",
            "api_version": ".".join(map(str, broker.api_version)) if broker.api_version else None,
        },
        "input": {"max_value_bytes": MAX_VALUE_BYTES},
        "server": {"host": HOST, "port": port},
        "shutdown": {"drain_timeout_s": DRAIN_TIMEOUT_S},
        "logging": {"format": "console"},
    }


def _environment() -> Mapping[str, str]:
    """Ours, without settings of some other worker, and with our own way to the modules: it runs in another folder."""
    inherited = {name: value for name, value in os.environ.items() if not name.upper().startswith("EMOSTREAM_")}
    return {**inherited, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}


def _meaning(status: int) -> str:
    return f"exit {status}" if status >= 0 else f"signal {-status}"


def _tail(log: Path) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-LAST_LINES:])
