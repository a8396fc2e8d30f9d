"""Dead letters on a real broker, written as the worker writes them, and the `emostream dlq` command over them."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from schemas.dead_letter import DeadLetterHeaders, DeadReason, Stage
from tests.e2e.processes import Way
from tests.kafka_io import Stored, ToSend, produce, read_topic

COMMAND = [sys.executable, "-m", "worker", "dlq"]


def letter(
    way: Way,
    number: int,
    *,
    reason: DeadReason = DeadReason.INVALID_JSON,
    source_topic: str | None = None,
    value: bytes | None = b"",
    key: bytes | None = None,
    own: Sequence[tuple[str, bytes | None]] = (),
    omitted_bytes: int | None = None,
) -> ToSend:
    """Of the input partition `number` modulo 4; the value is the number unless another is given."""
    ours = DeadLetterHeaders(
        stage=Stage.DECODE,
        reason=reason,
        message="not JSON",
        source_topic=source_topic or way.input,
        source_partition=number % 4,
        source_offset=number,
        group=way.group_id,
        version="1.0",
        omitted_bytes=omitted_bytes,
    )
    return ToSend(str(number).encode() if value == b"" else value, key=key, headers=(*own, *ours.render()))


def bury(way: Way, letters: Sequence[ToSend]) -> None:
    produce(way.bootstrap_servers, way.dead_letter, letters)


def come_back(way: Way, *, read_committed: bool = True) -> list[Stored]:
    return read_topic(way.bootstrap_servers, way.input, read_committed=read_committed)


def dlq(config: Path, *arguments: str, environ: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run `emostream dlq …` to its end."""
    command = [*COMMAND, *arguments, "--config", str(config)]
    environ = {**os.environ, "COLUMNS": "250", **(environ or {})}
    return subprocess.run(command, capture_output=True, text=True, timeout=90, check=False, env=environ)


@contextmanager
def replaying(config: Path, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """A replay under way; killed at the end of the block if it still runs."""
    command = [*COMMAND, "replay", "--config", str(config), "--execute", *arguments]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def until_returned(way: Way, count: int) -> None:
    """Wait until so many have come back."""
    deadline = time.monotonic() + 60
    while len(come_back(way)) < count:
        assert time.monotonic() < deadline, "nothing came back"
        time.sleep(0.1)
