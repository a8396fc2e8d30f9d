from __future__ import annotations

import io
import json
import logging
import os
import subprocess
import sys
import warnings
from typing import Any

import pytest
import structlog

from tests.unit.observability.reports import report
from worker.observability.logging import LogSink, configure, log_wave
from worker.records import Record

SECRET = "what a lovely private day"
RECORD = Record("texts", 0, 1, 0, None, SECRET.encode())

CLOSED_STDERR = """
import os, sys
from worker.observability.logging import configure
import structlog

read, write = os.pipe()
os.close(read)
os.dup2(write, 2)
configure(format="json")
for _ in range(3):
    structlog.get_logger().info("worker.alive")
print("done")
"""


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_elsewhere_than_on_a_terminal_a_line_is_json() -> None:
    """Time, level and event first, then what the event tells."""
    stream = io.StringIO()
    configure(stream=stream)

    structlog.get_logger().info("worker.started", partitions=3)

    [line] = lines(stream)
    assert list(line) == ["timestamp", "level", "event", "partitions"]
    assert (line["level"], line["event"], line["partitions"]) == ("info", "worker.started", 3)


def test_on_a_terminal_a_line_is_for_people() -> None:
    """Colours and aligned columns, no JSON."""
    stream = Terminal()
    configure(stream=stream)

    structlog.get_logger().info("worker.started")

    assert "worker.started" in stream.getvalue()
    assert "\x1b[" in stream.getvalue()
    assert "{" not in stream.getvalue()


def test_the_format_can_be_chosen() -> None:
    """JSON on a terminal, and pretty without colours in a file."""
    terminal, file = Terminal(), io.StringIO()

    configure(stream=terminal, format="json")
    structlog.get_logger().info("a.b")
    configure(stream=file, format="console")
    structlog.get_logger().info("a.b")

    assert lines(terminal)[0]["event"] == "a.b"
    assert "a.b" in file.getvalue()
    assert "\x1b[" not in file.getvalue()


def test_the_level_holds() -> None:
    """What is less than the level is not written."""
    stream = io.StringIO()
    configure(stream=stream, level="warning")

    structlog.get_logger().info("quiet")
    structlog.get_logger().warning("loud")

    assert [line["event"] for line in lines(stream)] == ["loud"]


def test_libraries_go_the_same_way_from_warning_on() -> None:
    """The standard library's loggers and Python's warnings are rendered like our own events."""
    stream = io.StringIO()
    configure(stream=stream, level="debug")

    logging.getLogger("library.net").info("chatter")
    logging.getLogger("library.net").warning("lost %s", "broker-1")
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn("old API", DeprecationWarning, stacklevel=1)

    lost, warned = lines(stream)
    assert (lost["level"], lost["event"], lost["logger"]) == ("warning", "lost broker-1", "library.net")
    assert "old API" in warned["event"]


@pytest.mark.parametrize(
    "said",
    [
        {"text": SECRET},
        {"texts": [SECRET]},
        {"value": SECRET},
        {"payload": {"text": SECRET}},
        {"details": {"deeper": {"payload": SECRET}}},
        {"password": SECRET},
        {"sasl_password": SECRET},
        {"client_secret": SECRET},
        {"raw": SECRET.encode()},
        {"record": RECORD},
        {"records": [RECORD, (RECORD,)]},
        {"by_id": {"texts/0/1": RECORD}},
    ],
)
@pytest.mark.parametrize("format", ["json", "console"])
def test_message_text_and_secrets_are_never_written(format: Any, said: dict[str, Any]) -> None:
    """Whatever a caller passes by mistake: by name, as bytes, or inside our own data."""
    stream = io.StringIO()
    configure(stream=stream, format=format)

    structlog.get_logger().warning("record.seen", **said)
    logging.getLogger("library").warning("seen", extra=said)

    assert stream.getvalue().count("\n") == 2
    assert SECRET not in stream.getvalue()


@pytest.mark.parametrize("format", ["json", "console"])
def test_a_traceback_does_not_show_local_variables(format: Any) -> None:
    """They hold message text."""
    stream = io.StringIO()
    configure(stream=stream, format=format)
    text = SECRET

    try:
        _ = 1 / (len(text) - len(SECRET))
    except ZeroDivisionError:
        structlog.get_logger().exception("wave.failed")
        logging.getLogger("library").exception("failed")

    assert stream.getvalue().count("ZeroDivisionError") == 2
    assert SECRET not in stream.getvalue()


def test_a_wave_is_one_line() -> None:
    """Counts, seconds by stage, delays; enough to follow a worker without a dashboard."""
    stream = io.StringIO()
    configure(stream=stream)

    log_wave(report())

    [line] = lines(stream)
    del line["timestamp"]
    assert line == {
        "level": "info",
        "event": "wave.published",
        "messages": 10,
        "tokens": 100,
        "closed_by": "delay",
        "accepted": 7,
        "abstained": 2,
        "dead": 1,
        "infer_s": 0.25,
        "publish_s": 0.5,
        "delay_median_s": 0.2,
        "delay_max_s": 0.9,
        "padding": 1.1,
        "repeated": 1,
    }


def test_a_closed_pipe_loses_lines_and_nothing_else() -> None:
    """Whoever read the log is gone; the worker goes on."""
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "w") as stream:
        sink = configure(stream=stream, format="json")

        structlog.get_logger().info("a.b")
        logging.getLogger("library").error("c")

    assert sink.lost == 2


def test_a_full_disk_loses_lines_and_nothing_else() -> None:
    """Writing to /dev/full is the kernel's own full disk."""
    with open("/dev/full", "w") as stream:  # noqa: PTH123
        sink = LogSink(stream)

        sink.write("line\n")

    assert sink.lost == 1


def test_a_closed_stream_loses_lines_and_nothing_else() -> None:
    """At the end of an embedding program, or of a test."""
    stream = io.StringIO()
    stream.close()
    sink = LogSink(stream)

    sink.write("line\n")

    assert sink.lost == 1
    assert not sink.isatty()


def test_no_stream_loses_lines_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    """Python gives a process that was started without a standard error None for it."""
    monkeypatch.setattr(sys, "stderr", None)

    sink = configure()
    structlog.get_logger().info("a.b")

    assert sink.lost == 1


def test_a_process_whose_stderr_is_closed_ends_well() -> None:
    """Lines that could not be written must not come back as an error at exit."""
    done = subprocess.run([sys.executable, "-c", CLOSED_STDERR], stdout=subprocess.PIPE, check=False, timeout=60)

    assert (done.returncode, done.stdout) == (0, b"done\n")
