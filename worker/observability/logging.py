"""Where log lines go and how they look: structlog for ours and the libraries' alike, on standard error.

Pretty on a terminal, JSON lines elsewhere. Events are `area.event` with key-values. Message text and secrets have no
place in them: callers do not pass them, and `without_contents` drops them if one does. A log that cannot be written
(closed pipe, full disk) loses its lines and nothing else.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Mapping, MutableMapping
from dataclasses import is_dataclass
from typing import Any, Literal, TextIO

import numpy as np
import structlog
from structlog.dev import plain_traceback
from structlog.typing import EventDict, Processor

from worker.records import Outcome
from worker.wave_report import WaveReport

Format = Literal["auto", "json", "console"]
Level = Literal["debug", "info", "warning", "error"]

_CONTENTS = frozenset({"text", "texts", "value", "values", "payload", "body", "content", "headers"})
_SECRETS = ("password", "passwd", "secret", "credential", "authorization")

_OURS = frozenset({"_record", "_from_structlog"})  # put there by structlog for its own formatter
LEFT_OUT = "(left out)"

_waves = structlog.get_logger("worker.waves")


class LogSink:
    """A text stream that drops what cannot be written (None: everything). `lost` counts the lines.

    It writes to the file descriptor itself: a buffered stream keeps what it could not write, and makes a process that
    has done all its work exit with an error when it tries again at the end.
    """

    def __init__(self, stream: TextIO | None) -> None:
        self._stream = stream
        self.lost = 0

    def write(self, line: str) -> int:
        try:
            self._write(line)
        except (OSError, ValueError):
            self.lost += 1
        return len(line)

    def flush(self) -> None:
        """Nothing is kept back."""

    def isatty(self) -> bool:
        try:
            return self._stream is not None and self._stream.isatty()
        except ValueError:
            return False

    def _write(self, line: str) -> None:
        if self._stream is None:
            raise ValueError("the process was started without a standard error")
        try:
            descriptor = self._stream.fileno()
        except OSError:  # io.UnsupportedOperation: a stream in memory
            self._stream.write(line)
        else:
            _write_all(descriptor, line.encode("utf-8", "backslashreplace"))


def configure(*, level: Level = "info", format: Format = "auto", stream: TextIO | None = None) -> LogSink:
    """Set up logging for the process; call it again to change it. Libraries are heard from `warning` on."""
    sink = LogSink(stream if stream is not None else sys.stderr)
    pretty = format == "console" or (format == "auto" and sink.isatty())
    before: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="%H:%M:%S.%f" if pretty else "iso", utc=not pretty),
        structlog.processors.format_exc_info,
        without_contents,
        _head_first,
    ]
    renderer = _renderer(pretty=pretty, colors=sink.isatty())
    structlog.configure(
        processors=[*before, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(file=sink),  # type: ignore[arg-type]
        cache_logger_on_first_use=False,
    )
    _route_libraries(sink, before=before, renderer=renderer, level=level)
    return sink


def without_contents(_logger: object, _method: str, event: EventDict) -> EventDict:
    """Leave out what may hold message text or a secret: by name at any depth, and bytes and dataclasses by type."""
    return _cleaned(event)


def log_wave(report: WaveReport) -> None:
    """The one line that tells of a wave."""
    _waves.info(
        "wave.published",
        messages=report.messages,
        tokens=report.tokens,
        closed_by=report.close_reason,
        **{str(outcome): report.outcomes[outcome] for outcome in Outcome},
        **{f"{stage}_s": round(seconds, 4) for stage, seconds in report.stage_s.items()},
        **_delays(report),
        padding=None if report.padding_ratio is None else round(report.padding_ratio, 3),
        repeated=report.stats.repeated,
    )


def _delays(report: WaveReport) -> dict[str, float]:
    if not len(report.delays_s):
        return {}
    return {
        "delay_median_s": round(float(np.median(report.delays_s)), 3),
        "delay_max_s": round(float(report.delays_s.max()), 3),
    }


def _head_first(_logger: object, _method: str, event: EventDict) -> EventDict:
    return {name: event.pop(name) for name in ("timestamp", "level", "event") if name in event} | dict(event)


def _renderer(*, pretty: bool, colors: bool) -> Processor:
    if pretty:
        return structlog.dev.ConsoleRenderer(
            colors=colors, pad_event_to=24, sort_keys=False, exception_formatter=plain_traceback
        )
    return structlog.processors.JSONRenderer(default=str, ensure_ascii=True)


def _route_libraries(sink: LogSink, *, before: list[Processor], renderer: Processor, level: Level) -> None:
    """Everything said with the standard library's logging, warnings included, goes the same way."""
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[structlog.stdlib.add_logger_name, structlog.stdlib.ExtraAdder(), *before],
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        keep_exc_info=False,
    )
    handler = logging.StreamHandler(sink)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.ERROR if level == "error" else logging.WARNING)
    logging.captureWarnings(capture=True)


def _cleaned(values: Mapping[str, Any]) -> MutableMapping[str, Any]:
    return {
        name: LEFT_OUT if _forbidden(name) else value if name in _OURS else _plain(value)
        for name, value in values.items()
    }


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return _cleaned(value)
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(each) for each in value]
    if isinstance(value, bytes | bytearray) or is_dataclass(value):
        return f"<{type(value).__name__}>"
    return value


def _forbidden(name: object) -> bool:
    lowered = str(name).lower()
    return lowered in _CONTENTS or any(word in lowered for word in _SECRETS)


def _write_all(descriptor: int, line: bytes) -> None:
    while line:
        line = line[os.write(descriptor, line) :]
