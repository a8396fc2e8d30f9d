"""The way to a device and back, on a device that is not there: what is queued, what is waited for, what is reused."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Barrier
from typing import Any

import numpy as np
import pytest
import torch

from worker.errors import EngineLost
from worker.inference.torch_lanes import DeviceLane, HostLane, Lanes
from worker.inference.torch_layouts import Compute, Laid

pytestmark = pytest.mark.torch


class FakeStream:
    """Also its own event: what is done with either goes into the device's diary."""

    def __init__(self, diary: list[str], name: str) -> None:
        self._diary = diary
        self._name = name

    def synchronize(self) -> None:
        self._diary.append(f"wait for {self._name}")

    def record(self, stream: FakeStream) -> None:
        self._diary.append(f"mark in {stream._name}")


class FakeAccelerator:
    """Copies at once; keeps a diary, and each piece of page-locked memory."""

    def __init__(self) -> None:
        self.diary: list[str] = []
        self.locked: list[torch.Tensor] = []

    def pinned(self, size: int, dtype: torch.dtype) -> torch.Tensor:
        self.locked.append(torch.zeros(size, dtype=dtype))
        return self.locked[-1]

    def stream(self) -> FakeStream:
        return FakeStream(self.diary, "stream")

    def event(self) -> FakeStream:
        return FakeStream(self.diary, "event")

    @contextmanager
    def on(self, stream: Any) -> Iterator[None]:
        self.diary.append("on stream")
        yield
        self.diary.append("off stream")

    def there(self, host: torch.Tensor) -> torch.Tensor:
        self.diary.append("copy")
        return host.clone()


def laid(size: int, compute: Compute | None = None) -> Laid:
    """Numbers from 0 in two parts; without `compute`, their doubles are the logits."""
    numbers = np.arange(size, dtype=np.int64)
    return Laid((numbers[:1], numbers[1:]), compute or (lambda there: (there * 2).reshape(1, -1)))


def failing(there: torch.Tensor) -> torch.Tensor:
    raise torch.OutOfMemoryError("out of memory")


def test_a_call_waits_for_its_own_results_alone() -> None:
    """Copy, compute and copy back are queued on the lane's stream; then it waits for the mark behind them."""
    device = FakeAccelerator()

    found = DeviceLane(device).run(laid(3))

    assert ["on stream", "copy", "mark in stream", "off stream", "wait for event"] == device.diary
    assert [[0.0, 2.0, 4.0]] == found.tolist()


def test_memory_is_locked_once() -> None:
    """Calls of the same size, and smaller ones, use what is there; a larger one gets more."""
    device = FakeAccelerator()
    lane = DeviceLane(device)

    lane.run(laid(1000))
    first = len(device.locked)
    lane.run(laid(900))
    second = len(device.locked)
    lane.run(laid(3000))

    assert (first, first + 2) == (second, len(device.locked))


def test_results_are_the_callers() -> None:
    """The next call does not change them, though its results arrive in the same memory."""
    lane = DeviceLane(FakeAccelerator())
    kept = lane.run(laid(3))

    lane.run(laid(3, lambda there: (there * 0).reshape(1, -1)))

    assert [[0.0, 2.0, 4.0]] == kept.tolist()


def test_after_a_failure_the_stream_is_drained_before_memory_is_used_again() -> None:
    """A copy may still be on its way out of it."""
    device = FakeAccelerator()
    lane = DeviceLane(device)

    with pytest.raises(torch.OutOfMemoryError):
        lane.run(laid(3, failing))

    assert "wait for stream" == device.diary[-1]
    assert [[0.0, 2.0, 4.0]] == lane.run(laid(3)).tolist()


def test_two_lanes_work_at_once() -> None:
    """Each computation waits until the other one runs, too."""
    both = Barrier(2, timeout=60)
    lanes = Lanes([DeviceLane(FakeAccelerator()) for _ in range(2)])

    def meeting(there: torch.Tensor) -> torch.Tensor:
        both.wait()
        return there.reshape(1, -1)

    with ThreadPoolExecutor(2) as threads:
        found = list(threads.map(lambda _: lanes.run(laid(2, meeting)).tolist(), range(2)))

    assert [[[0.0, 1.0]], [[0.0, 1.0]]] == found


def test_a_closed_device_is_lost() -> None:
    """Closing again is nothing."""
    lanes = Lanes([HostLane(threads=1)])
    lanes.close()
    lanes.close()

    with pytest.raises(EngineLost):
        lanes.run(laid(2))


def test_threads_compute_with_as_many_as_their_lane_says() -> None:
    """Two models in one process do not take each other's threads."""
    seen = []

    def looking(there: torch.Tensor) -> torch.Tensor:
        seen.append(torch.get_num_threads())
        return there.reshape(1, -1)

    with ThreadPoolExecutor(1) as thread:
        for threads in (2, 1, 2):
            thread.submit(HostLane(threads=threads).run, laid(2, looking)).result()

    assert [2, 1, 2] == seen
