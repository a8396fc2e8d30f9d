"""Keeps processes and one temporary folder only as long as the process that asked for them lives.

Run as a program of its own, by path, on nothing but the standard library: it must outlive an owner that was killed, so
that somebody is left to kill the brokers and to remove their data. It sits in its own session, where a Ctrl-C at the
owner's terminal does not reach it. It ends when its standard input ends, when its parent is gone (a forked sibling may
still hold the other end of the pipe) or at SIGTERM.

One JSON object per line in, one out with the same `id`: `start {name, argv, log}` -> pid, `poll {name}` -> exit status
or null, `signal {name, signal}`. Before that, one line with the id 0 says where the folder is.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, NoReturn

PARENT_CHECK_S = 0.5
PR_SET_PDEATHSIG = 1


class Keeper:
    """The processes and the folder; `close` leaves neither."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        """Do what one line asked for; a failure is an answer too."""
        number = request.pop("id")
        try:
            return {"id": number, "value": getattr(self, f"do_{request.pop('op')}")(**request)}
        except OSError as error:
            return {"id": number, "error": str(error)}
        except KeyError as error:
            return {"id": number, "error": f"none is called {error}"}

    def do_start(self, name: str, argv: list[str], log: str) -> int:
        with Path(log).open("ab") as out:
            self._processes[name] = subprocess.Popen(  # noqa: S603 - the owner's own command line
                argv,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                cwd=self.folder,
                # safe here: this process has one thread, which also is the one whose death the kernel watches
                preexec_fn=die_with_parent if sys.platform == "linux" else None,
            )
        return self._processes[name].pid

    def do_poll(self, name: str) -> int | None:
        return self._processes[name].poll()

    def do_signal(self, name: str, signal: int) -> None:
        self._processes[name].send_signal(signal)

    def close(self) -> None:
        """Kill and reap everything first, so that nothing writes into the folder while it goes."""
        for process in self._processes.values():
            process.kill()
        for process in self._processes.values():
            process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


def die_with_parent() -> None:
    """Ask the kernel to kill the calling process with this supervisor, should that be killed itself."""
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def serve(keeper: Keeper, *, owner: int) -> None:
    """Answer requests until the owner has closed the pipe or is gone."""
    pending = b""
    while os.getppid() == owner:
        readable, _, _ = select.select([sys.stdin], [], [], PARENT_CHECK_S)
        if not readable:
            continue
        chunk = os.read(sys.stdin.fileno(), 65536)
        if not chunk:
            return
        *lines, pending = (pending + chunk).split(b"\n")
        for line in lines:
            say(keeper.answer(json.loads(line)))


def say(message: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


def leave(_signal: int, _frame: object) -> NoReturn:
    raise SystemExit(0)


def main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, leave)
    keeper = Keeper(Path(tempfile.mkdtemp(prefix="emostream-kafka-")))
    try:
        with contextlib.suppress(BrokenPipeError):
            say({"id": 0, "value": str(keeper.folder)})
            serve(keeper, owner=int(sys.argv[1]))
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        keeper.close()
        # the owner may be gone: do not let the interpreter complain about the pipe on its way out
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    main()
