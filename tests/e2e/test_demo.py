"""`emostream demo` as a user runs it: it proves its claim, and whatever ends it leaves nothing behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from confluent_kafka.admin import AdminClient

from worker.devbroker.jvm import JvmBroker

TIMEOUT_S = 90
TINY = ("--model", "builtin:emotion-tiny")


@contextmanager
def demo(tmp_path: Path, *options: str) -> Iterator[subprocess.Popen[str]]:
    """A running demo whose temporary files are all in `tmp_path`; what it prints is in the files `out` and `err`."""
    command = [sys.executable, "-m", "worker", "demo", *options]
    files = tmp_path / "files"
    files.mkdir()
    with (tmp_path / "out").open("w") as out, (tmp_path / "err").open("w") as err:
        process = subprocess.Popen(command, stdout=out, stderr=err, env={**os.environ, "TMPDIR": str(files)}, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def ran(tmp_path: Path, *options: str) -> tuple[int, str, str]:
    """A finished demo: exit code, results, progress."""
    with demo(tmp_path, *options) as process:
        code = process.wait(TIMEOUT_S)
    return code, (tmp_path / "out").read_text(), (tmp_path / "err").read_text()


def left_behind(tmp_path: Path) -> list[str]:
    """Temporary files, and processes that were told to put theirs there."""
    mark = f"TMPDIR={tmp_path / 'files'}".encode()
    return [path.name for path in (tmp_path / "files").iterdir()] + [
        process.name for process in Path("/proc").iterdir() if process.name.isdigit() and mark in _environment(process)
    ]


def _environment(process: Path) -> bytes:
    try:
        return (process / "environ").read_bytes()
    except OSError:
        return b""


@pytest.mark.broker
@pytest.mark.usefixtures("jvm_broker")  # without Java the test skips
def test_it_shows_and_proves_exactly_once(tmp_path: Path) -> None:
    """Its own broker, the default model: samples of each kind, and a check that finds no fault."""
    code, out, err = ran(tmp_path, "--messages", "300", "--broker", "jvm")

    assert (code, "FAULT" in out) == (0, False), err
    assert "300 messages, each with exactly one outcome: 0 lost, 0 duplicated" in out
    assert "\nexactly once" in out
    assert out.count("\nenriched   ") + out.startswith("enriched   ") == 3
    assert out.count("\nreview   ") == 3
    assert out.count("\ndead-letter   ") == 3
    assert "worker  builtin:ekman, exactly once" in err
    assert left_behind(tmp_path) == []


@pytest.mark.broker
@pytest.mark.usefixtures("jvm_broker")
@pytest.mark.skipif(sys.platform != "linux", reason="looks for processes under /proc")
def test_ctrl_c_leaves_nothing_behind(tmp_path: Path) -> None:
    """In the middle of the messages: no process, no file, exit 130."""
    with demo(tmp_path, "--messages", "100000", "--broker", "jvm", *TINY) as process:
        deadline = time.monotonic() + TIMEOUT_S
        while " of 100,000 messages" not in (tmp_path / "err").read_text():
            assert process.poll() is None, (tmp_path / "err").read_text()
            assert time.monotonic() < deadline
            time.sleep(0.05)
        running = left_behind(tmp_path)

        process.send_signal(signal.SIGINT)
        code = process.wait(TIMEOUT_S)

    assert running != []
    assert code == 130
    assert "Traceback" not in (tmp_path / "err").read_text()
    assert left_behind(tmp_path) == []


@pytest.mark.broker
def test_on_a_cluster_that_was_there_its_topics_go(tmp_path: Path, jvm_broker: JvmBroker) -> None:
    """Only the demo's own, with its group; the cluster's other topics stay."""
    admin = AdminClient({"bootstrap.servers": jvm_broker.bootstrap_servers})

    code, out, err = ran(tmp_path, "--messages", "100", "--broker", jvm_broker.bootstrap_servers, *TINY)

    assert code == 0, err
    assert "\nexactly once" in out
    assert [topic for topic in admin.list_topics(timeout=10).topics if topic.startswith("demo-")] == []
    groups = admin.list_consumer_groups().result(10).valid
    assert [group.group_id for group in groups if group.group_id.startswith("demo-")] == []


def test_the_embedded_broker_promises_at_least_once(tmp_path: Path) -> None:
    """Neither Java nor Docker: it says what that costs, and checks what is left."""
    code, out, err = ran(tmp_path, "--messages", "200", "--broker", "embedded", *TINY)

    assert code == 0, err
    assert "at-least-once only" in err
    assert "200 messages, each with at least one outcome: 0 lost" in out
    assert "\nat least once (this broker cannot promise more)" in out


def test_a_model_that_does_not_exist_is_said(tmp_path: Path) -> None:
    """By the worker, whose last words are shown; bad usage is exit 2."""
    code, out, err = ran(tmp_path, "--messages", "10", "--broker", "embedded", "--model", "builtin:nonsense")

    assert code == 2
    assert "builtin:nonsense" in err.split("the last lines of the worker's log:")[1]
    assert out == ""
