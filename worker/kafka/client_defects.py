"""The only place that touches kafka-python's private state: guards against its defects, each named with its version.

Every guard was written for kafka-python 3.0.12 and has a test on a real broker that fails without it. Where
`python -m tests.integration.kafka.mutations` no longer sees it fail, the client has mended the defect, and the guard
goes. Numbers (D…) are explained in docs/reliability.md.
"""

from __future__ import annotations

from typing import Any

from kafka.errors import KafkaError
from kafka.record.default_records import DefaultRecordBatch

from worker.kafka.encoding import RawName


def restore_parked_records(consumer: Any) -> None:
    """D23: records of a partition that was paused half-read are never delivered again.

    The fetcher takes parked records back only while `_next_partition_records` is None, but a drained one stays there,
    false but not None. Call before every poll.
    """
    fetcher = consumer._fetcher
    fetcher._next_partition_records = fetcher._next_partition_records or None


class _UnconsumedJoin:
    """A join under way that is not over for the coordinator before a poll has taken its result."""

    def __init__(self, coordinator: Any, task: Any) -> None:
        self._coordinator = coordinator
        self._task = task

    @property
    def is_done(self) -> bool:
        """For the coordinator this means: worth nothing, join anew."""
        return bool(self._task.failed()) or (self._task.is_done and bool(self._coordinator._generation.is_lost()))

    def add_callback(self, *arguments: Any) -> None:
        self._task.add_callback(*arguments)

    def add_errback(self, *arguments: Any) -> None:
        self._task.add_errback(*arguments)


def keep_finished_join(consumer: Any) -> None:
    """A join counts, however many polls it takes. Call before every poll.

    D28: one that ends between two polls is thrown away, and joining anew starts a rebalance for everyone; members that
    take turns in it rebalance for ever. D29: one that was begun because the topic has grown is forgotten as soon as the
    partitions are shared out: its result is never taken, no heartbeat is sent, and nothing tells.
    """
    coordinator = consumer._coordinator
    task = coordinator._join_task
    if task is None:
        return
    coordinator.request_rejoin()
    if not isinstance(task, _UnconsumedJoin):
        coordinator._join_task = _UnconsumedJoin(coordinator, task)


def knows_coordinator(consumer: Any) -> bool:
    """Whether its group has a broker; without any, the client says for ever that it is a stable member."""
    return consumer._coordinator.coordinator_id is not None


def stop_sending(producer: Any) -> None:
    """D24: `close(timeout=0)` raises when records are unsent, and leaves the sending thread running.

    An abandoned producer must not go on writing: its batches are failed and its connections closed. Never blocks.
    """
    try:
        producer.close(timeout=0)
    except (KafkaError, AssertionError):
        producer._sender.force_close()


class _AnyBytes(bytearray):
    def decode(self, encoding: str = "utf-8", errors: str = "surrogateescape") -> str:
        return RawName(super().decode(encoding, errors))


class _TolerantBuffer(bytearray):
    """A batch whose header names decode whatever bytes they are."""

    def __getitem__(self, index: Any) -> Any:
        part = super().__getitem__(index)
        return _AnyBytes(part) if isinstance(index, slice) else part


_read_strictly = DefaultRecordBatch._read_msg


def _read_tolerantly(batch: Any, *arguments: Any) -> Any:
    try:
        return _read_strictly(batch, *arguments)
    except UnicodeDecodeError:
        batch._buffer = _TolerantBuffer(batch._buffer)
        return _read_strictly(batch, *arguments)


def accept_any_header_name() -> None:
    """D26: a header name that is not UTF-8 makes the record, and so its partition, unreadable for ever.

    Such names are decoded with surrogate escapes instead, and written again as the bytes they were.
    """
    DefaultRecordBatch._read_msg = _read_tolerantly
