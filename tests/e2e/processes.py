"""A real `emostream run` process over a real broker, and what came of its records."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from schemas.dead_letter import DeadLetterHeaders
from tests.conftest import Topics
from tests.kafka_io import Stored, committed_offsets, end_offsets, read_topic


@dataclass(frozen=True)
class Way:
    """The topics and the group of one test."""

    bootstrap_servers: str
    group_id: str
    input: str
    output: str
    review: str
    dead_letter: str

    @classmethod
    def made(cls, topics: Topics, group_id: str, *, partitions: int = 4) -> Way:
        return cls(
            topics.bootstrap_servers,
            group_id,
            topics("texts", partitions=partitions),
            topics("out", partitions=partitions),
            topics("review", partitions=2),
            topics("dead", partitions=1),
        )

    def config(self, folder: Path, **changes: Mapping[str, object]) -> Path:
        """A configuration file; `changes` are sections whose keys replace those here."""
        values: dict[str, dict[str, object]] = {
            "model": {"name": "builtin:emotion-tiny"},
            "kafka": {
                "bootstrap_servers": self.bootstrap_servers,
                "group_id": self.group_id,
                "input_topics": [self.input],
                "output_topic": self.output,
                "review_topic": self.review,
                "dead_letter_topic": self.dead_letter,
            },
            "server": {"port": None},
            "logging": {"format": "json"},
        }
        for section, keys in changes.items():
            values[section] = {**values.get(section, {}), **keys}
        path = folder / "worker.yaml"
        path.write_text(yaml.safe_dump(values))
        return path

    def outcomes(self) -> Outcomes:
        read = {
            name: read_topic(self.bootstrap_servers, getattr(self, name))
            for name in ("output", "review", "dead_letter")
        }
        return Outcomes(**read)

    def committed_to_the_end(self) -> bool:
        committed = committed_offsets(self.bootstrap_servers, self.group_id, self.input)
        return {partition: offset or 0 for partition, offset in committed.items()} == end_offsets(
            self.bootstrap_servers, self.input
        )


@dataclass(frozen=True)
class Outcomes:
    """What a read-committed reader finds in the three topics."""

    output: list[Stored] = field(default_factory=list)
    review: list[Stored] = field(default_factory=list)
    dead_letter: list[Stored] = field(default_factory=list)

    def ids(self) -> list[str]:
        return [identity(record) for topic in (self.output, self.review, self.dead_letter) for record in topic]

    def misordered(self) -> list[str]:
        """Outcomes behind a later one of their input partition, in the partition they stand in."""
        found = []
        for topic in (self.output, self.review, self.dead_letter):
            last: dict[tuple[int, str], int] = {}
            for record in topic:
                source, _, offset = identity(record).rpartition("/")
                place = (record.partition, source)
                if int(offset) <= last.get(place, -1):
                    found.append(identity(record))
                last[place] = int(offset)
        return found


def identity(record: Stored) -> str:
    """The input record that an outgoing one is the outcome of: `topic/partition/offset`."""
    if any(name == "emostream-error-stage" for name, _ in record.headers):
        letter = DeadLetterHeaders.parse(record.headers)
        return f"{letter.source_topic}/{letter.source_partition}/{letter.source_offset}"
    return (record.header("ce_id") or b"").decode()


@dataclass
class Worker:
    """A worker process; its log lines are JSON on stderr, kept in a file."""

    process: subprocess.Popen[bytes]
    log_path: Path

    def wait(self, timeout_s: float = 60) -> int:
        """The exit code."""
        return self.process.wait(timeout_s)

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(10)

    def log(self) -> str:
        return self.log_path.read_text()

    def waves(self) -> int:
        """How many waves it has published so far."""
        return self.log().count('"wave.published"')

    def records(self) -> int:
        """How many records have their outcome so far."""
        waves = (json.loads(line) for line in self.log().splitlines() if '"wave.published"' in line)
        return sum(wave["messages"] for wave in waves)

    def wait_for_records(self, count: int, *, timeout_s: float = 60) -> None:
        """Wait until so many records have their outcome."""
        deadline = time.monotonic() + timeout_s
        while self.records() < count:
            assert self.process.poll() is None, f"the worker ended with {self.process.returncode}:\n{self.log()}"
            assert time.monotonic() < deadline, f"{self.records()} of {count} records within {timeout_s} s"
            time.sleep(0.1)

    def wait_for(self, event: str, *, times: int = 1, timeout_s: float = 60) -> None:
        """Wait until an event stands in the log so many times."""
        deadline = time.monotonic() + timeout_s
        while self.log().count(f'"{event}"') < times:
            assert self.process.poll() is None, f"the worker ended with {self.process.returncode}:\n{self.log()}"
            assert time.monotonic() < deadline, f"no {event} within {timeout_s} s:\n{self.log()}"
            time.sleep(0.02)


@contextmanager
def worker(
    config: Path, *options: str, environ: Mapping[str, str] | None = None, program: Sequence[str] = ("worker", "run")
) -> Iterator[Worker]:
    """Start `emostream run` (or another module that is one); killed at the end of the block if it still runs."""
    log_path = config.with_suffix(f".{time.monotonic_ns()}.log")
    command = [sys.executable, "-m", *program, "--config", str(config), *options]
    with log_path.open("wb") as log:
        process = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=log, env={**os.environ, **(environ or {})}
        )
    started = Worker(process, log_path)
    try:
        yield started
    finally:
        if process.poll() is None:
            started.kill()


def payload(record: Stored) -> dict[str, object]:
    """The event in a record's value."""
    event: dict[str, object] = json.loads(record.value or b"")
    return event
