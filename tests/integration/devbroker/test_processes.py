"""Supervised processes and their folder go with their owner, whatever ends it; shown on real processes."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path
from signal import SIGINT, SIGKILL, SIGTERM

import pytest

from tests.integration.devbroker.watching import becomes, end, gone, python, running, said
from worker.devbroker.kinds import DevBrokerUnavailable
from worker.devbroker.processes import SupervisedProcesses

SLEEP = ["/bin/sleep", "600"]

OWNER = """
import json, os, time
from pathlib import Path
from worker.devbroker.processes import SupervisedProcesses

processes = SupervisedProcesses()
pid = processes.start("sleeper", ["/bin/sleep", "600"], log=processes.folder / "log")
sibling = os.fork() if {fork} else 0
if not sibling and {fork}:
    time.sleep(600)
print(json.dumps([[pid, processes.supervisor_pid], str(processes.folder), sibling]), flush=True)
time.sleep(600)
"""


def test_close_ends_the_processes_and_removes_the_folder() -> None:
    """Nothing is left when close returns, a stopped process and a second close included."""
    processes = SupervisedProcesses()
    pid = processes.start("sleeper", SLEEP, log=processes.folder / "log")
    processes.signal("sleeper", signal.SIGSTOP)

    processes.close()
    processes.close()

    assert [False, False] == [running(pid), processes.folder.exists()]


@pytest.mark.parametrize("number", [SIGINT, SIGTERM, SIGKILL])
def test_they_go_with_an_owner_that_a_signal_ends(number: signal.Signals) -> None:
    """Ctrl-C, termination and a kill that nobody can handle leave no process and no folder."""
    with python(OWNER.format(fork=False)) as owner:
        pids, folder, _ = said(owner)

        status = end(owner, number)

        assert -number == status
        assert gone(pids, Path(folder))


def test_a_forked_sibling_does_not_keep_them_alive() -> None:
    """A child the owner forked holds the pipe too; the owner's death counts all the same."""
    with python(OWNER.format(fork=True)) as owner:
        pids, folder, sibling = said(owner)

        end(owner, SIGKILL)

        left_nothing = gone(pids, Path(folder))
        os.kill(sibling, SIGKILL)
        assert left_nothing


def test_they_outlive_the_thread_that_started_them() -> None:
    """What counts is the owner's process, not the thread that happened to ask."""
    made: list[SupervisedProcesses] = []
    pids: list[int] = []

    def begin() -> None:
        made.append(SupervisedProcesses())
        pids.append(made[0].start("sleeper", SLEEP, log=made[0].folder / "log"))

    thread = threading.Thread(target=begin)
    thread.start()
    thread.join()

    status = made[0].status("sleeper")
    made[0].close()
    assert status is None
    assert gone(pids, made[0].folder)


def test_a_killed_supervisor_takes_the_processes_along() -> None:
    """The owner is told in one line; close still removes the folder."""
    processes = SupervisedProcesses()
    pid = processes.start("sleeper", SLEEP, log=processes.folder / "log")

    os.kill(processes.supervisor_pid, SIGKILL)

    assert becomes(lambda: not running(pid))
    with pytest.raises(DevBrokerUnavailable, match="supervisor was killed"):
        processes.status("sleeper")
    processes.close()
    assert not processes.folder.exists()


def test_a_process_is_reported_with_the_signal_that_ended_it() -> None:
    """The exit status tells a crash from an end, and output is in the log."""
    processes = SupervisedProcesses()
    log = processes.folder / "log"
    processes.start("killed", SLEEP, log=log)
    processes.start("done", ["/bin/sh", "-c", "echo said; exit 3"], log=log)

    processes.signal("killed", SIGKILL)

    assert becomes(lambda: [processes.status(name) for name in ("killed", "done")] == [-9, 3])
    assert "said\n" == log.read_text()
    processes.close()


def test_a_program_that_does_not_exist_is_an_error_of_one_line() -> None:
    """The supervisor lives on."""
    processes = SupervisedProcesses()

    with pytest.raises(DevBrokerUnavailable, match=r"cannot run a process: .*No such file"):
        processes.start("none", ["/does/not/exist"], log=processes.folder / "log")

    processes.start("sleeper", SLEEP, log=processes.folder / "log")
    processes.close()


def test_a_name_that_was_never_started_is_an_error_of_one_line() -> None:
    """The supervisor lives on."""
    processes = SupervisedProcesses()

    with pytest.raises(DevBrokerUnavailable, match="none is called 'other'"):
        processes.signal("other", SIGKILL)

    processes.start("sleeper", SLEEP, log=processes.folder / "log")
    processes.close()


def test_a_ctrl_c_between_question_and_answer_does_not_mix_answers_up() -> None:
    """An answer nobody waited for is not taken for that of the next question."""
    processes = SupervisedProcesses()
    processes.start("done", ["/bin/sh", "-c", "exit 3"], log=processes.folder / "log")
    assert becomes(lambda: processes.status("done") == 3)
    processes.start("sleeper", SLEEP, log=processes.folder / "log")
    interrupted = processes._supervisor.stdin
    assert interrupted is not None

    interrupted.write(b'{"id": 1, "op": "poll", "name": "done"}\n')

    assert processes.status("sleeper") is None
    processes.close()
