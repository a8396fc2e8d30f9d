from __future__ import annotations

import os
import signal

import pytest
from structlog.testing import capture_logs

from worker.stopping import stop_on_signals


def test_a_signal_asks_and_the_loop_tells() -> None:
    """The handler writes nothing: it may have interrupted a thread that holds the log."""
    with capture_logs() as lines, stop_on_signals() as stop:
        stop.drains_from_now()

        os.kill(os.getpid(), signal.SIGTERM)
        asked, before = stop.requested, list(lines)
        stop.announce()
        stop.announce()

    assert asked
    assert before == []
    assert [(line["event"], line["signal"]) for line in lines] == [("worker.stopping", "SIGTERM")]


def test_before_there_is_anything_to_drain_a_signal_ends_the_program() -> None:
    """With exit 0, wherever it is."""
    with pytest.raises(SystemExit) as ended, stop_on_signals():
        os.kill(os.getpid(), signal.SIGINT)

    assert ended.value.code == 0
