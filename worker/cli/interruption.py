"""Ctrl-C and SIGTERM for commands that must clean up: the first is a KeyboardInterrupt, later ones wait for its end."""

from __future__ import annotations

import signal
from typing import NoReturn

SIGNALS = (signal.SIGINT, signal.SIGTERM)


def interrupt_once() -> None:
    """From now on the first of the signals raises KeyboardInterrupt; what cleans up after it is not interrupted."""
    for number in SIGNALS:
        signal.signal(number, _interrupt)


def ignore_interrupts() -> None:
    """From now on nothing interrupts: what is left to do is short."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)


def _interrupt(_number: int, _frame: object) -> NoReturn:
    ignore_interrupts()
    raise KeyboardInterrupt
