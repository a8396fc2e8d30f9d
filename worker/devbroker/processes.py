"""The owner's side of `supervisor.py`: processes and a folder that cannot outlive this process."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from worker.devbroker.kinds import DevBrokerUnavailable

CLOSE_TIMEOUT_S = 15.0
SUPERVISOR_KILLED = "the development broker's supervisor was killed: start it again"


class SupervisedProcesses:
    """Processes by name and the temporary folder they work in; both are gone after `close` or after our death.

    Safe to use from any thread. Processes are started and signalled by the supervisor, whose children they are, so a
    pid that has been reused is never hit. `environ`: the environment of the processes (None: ours).
    """

    folder: Path

    def __init__(self, *, environ: Mapping[str, str] | None = None) -> None:
        program = Path(__file__).with_name("supervisor.py")
        self._lock = threading.Lock()
        self._asked = 0
        self._unread = b""
        self._supervisor = subprocess.Popen(  # noqa: S603 - our own program
            [sys.executable, "-I", str(program), str(os.getpid())],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environ,
            # unbuffered: what a killed supervisor left unread must not fail again at close
            bufsize=0,
            start_new_session=True,
        )
        self.folder = Path(self._hear())

    @property
    def supervisor_pid(self) -> int:
        return self._supervisor.pid

    def start(self, name: str, argv: Sequence[str], *, log: Path) -> int:
        """Start a process that appends its output to `log`; its pid. A former one of that name must have ended."""
        pid: int = self._ask(op="start", name=name, argv=list(argv), log=str(log))
        return pid

    def status(self, name: str) -> int | None:
        """Exit status (negative: the signal that ended it), None while it runs."""
        status: int | None = self._ask(op="poll", name=name)
        return status

    def signal(self, name: str, number: signal.Signals) -> None:
        """Send a signal; nothing happens if the process has ended."""
        self._ask(op="signal", name=name, signal=int(number))

    def close(self) -> None:
        """Kill what runs and remove the folder; harmless when repeated."""
        with self._lock:
            if self._supervisor.stdin is None or self._supervisor.stdin.closed:
                return
            self._supervisor.stdin.close()
            try:
                self._supervisor.wait(CLOSE_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                self._supervisor.kill()
                self._supervisor.wait()
            if self._supervisor.stdout is not None:
                self._supervisor.stdout.close()
            shutil.rmtree(self.folder, ignore_errors=True)

    def _ask(self, **request: object) -> Any:
        with self._lock:
            stdin = self._supervisor.stdin
            if stdin is None or stdin.closed:
                raise DevBrokerUnavailable("the development broker is closed")
            self._asked += 1
            try:
                stdin.write(json.dumps({"id": self._asked, **request}).encode() + b"\n")
            except BrokenPipeError:
                raise DevBrokerUnavailable(SUPERVISOR_KILLED) from None
            return self._hear()

    def _hear(self) -> Any:
        """The answer to the last question; one that a Ctrl-C left unread is passed over."""
        answer: dict[str, Any] = json.loads(self._read_line())
        while answer["id"] != self._asked:
            answer = json.loads(self._read_line())
        if "error" in answer:
            raise DevBrokerUnavailable(f"the development broker cannot run a process: {answer['error']}")
        return answer["value"]

    def _read_line(self) -> bytes:
        stdout = self._supervisor.stdout
        while b"\n" not in self._unread:
            chunk = os.read(stdout.fileno(), 65536) if stdout is not None else b""
            if not chunk:
                raise DevBrokerUnavailable(SUPERVISOR_KILLED)
            self._unread += chunk
        line, _, self._unread = self._unread.partition(b"\n")
        return line
