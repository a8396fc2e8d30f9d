"""The way to the device and back: numbers there, logits here. One call at a time on each lane.

On a GPU every lane has a stream of its own and page-locked memory that it keeps: with two lanes, one micro-batch is
copied while the other is computed, and no call waits for anything but its own results. CUDA graphs and `torch.compile`
are left out: micro-batches come in as many shapes as there are sums of lengths, and what a graph would save has not
been measured.
"""

from __future__ import annotations

import queue
from collections.abc import Sequence
from contextlib import AbstractContextManager, suppress
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from worker.errors import EngineLost
from worker.inference.torch_layouts import Laid

Logits = NDArray[np.float32]


class Lane(Protocol):
    """Computes one micro-batch after the other. Raises what torch raises."""

    def run(self, laid: Laid) -> Logits:
        """Logits [texts, labels], in memory that is the caller's."""
        ...


class HostLane:
    """The CPU itself. `threads`: compute threads of each thread that runs on it; torch keeps them by thread."""

    def __init__(self, *, threads: int) -> None:
        self._threads = threads

    def run(self, laid: Laid) -> Logits:
        if torch.get_num_threads() != self._threads:
            torch.set_num_threads(self._threads)
        with torch.inference_mode():
            logits = laid.compute(torch.from_numpy(np.concatenate(laid.parts)))
            return np.asarray(logits.float().numpy(), dtype=np.float32)


class Accelerator(Protocol):
    """What a lane needs of a device and its driver; `Cuda` is the real one."""

    def pinned(self, size: int, dtype: torch.dtype) -> torch.Tensor:
        """Page-locked host memory: copies from and to it need not be waited for."""
        ...

    def stream(self) -> Any:
        """A queue of work on the device, which begins after all that was queued before."""
        ...

    def event(self) -> Any:
        """A mark in a stream that a thread can wait for, asleep."""
        ...

    def on(self, stream: Any) -> AbstractContextManager[Any]:
        """What is queued inside goes to that stream."""
        ...

    def there(self, host: torch.Tensor) -> torch.Tensor:
        """The same numbers on the device; queued, not waited for."""
        ...


class Cuda:
    """A CUDA device through torch."""

    def __init__(self, device: torch.device) -> None:
        self._device = device

    def pinned(self, size: int, dtype: torch.dtype) -> torch.Tensor:
        return torch.empty(size, dtype=dtype, pin_memory=True)

    def stream(self) -> Any:
        stream: Any = torch.cuda.Stream(self._device)  # type: ignore[no-untyped-call]
        stream.wait_stream(torch.cuda.current_stream(self._device))  # the weights may still be on their way
        return stream

    def event(self) -> Any:
        return torch.cuda.Event(blocking=True)  # type: ignore[no-untyped-call]

    def on(self, stream: Any) -> AbstractContextManager[Any]:
        return torch.cuda.stream(stream)

    def there(self, host: torch.Tensor) -> torch.Tensor:
        return host.to(self._device, non_blocking=True)


class DeviceLane:
    """One stream, and the memory that its copies start and end in.

    That memory is used again only after the event behind its last copy, or after the whole stream where something
    failed on the way. What is allocated on the device belongs to the stream and is reused in its order.
    """

    def __init__(self, accelerator: Accelerator) -> None:
        self._accelerator = accelerator
        self._stream = accelerator.stream()
        self._done = accelerator.event()
        self._departures = accelerator.pinned(_roomy(1), torch.int64)
        self._arrivals = accelerator.pinned(_roomy(1), torch.float32)

    def run(self, laid: Laid) -> Logits:
        size = sum(part.size for part in laid.parts)
        if self._departures.numel() < size:
            self._departures = self._accelerator.pinned(_roomy(size), torch.int64)
        np.concatenate(laid.parts, out=self._departures[:size].numpy())
        try:
            arrived = self._queued(laid, size)
            self._done.synchronize()
        except BaseException:
            with suppress(RuntimeError):  # the first error says more
                self._stream.synchronize()
            raise
        return np.array(arrived.numpy(), dtype=np.float32)

    def _queued(self, laid: Laid, size: int) -> torch.Tensor:
        """Where the logits will be once the event is reached."""
        with self._accelerator.on(self._stream), torch.inference_mode():
            logits = laid.compute(self._accelerator.there(self._departures[:size])).float()
            if self._arrivals.numel() < logits.numel():
                self._arrivals = self._accelerator.pinned(_roomy(logits.numel()), torch.float32)
            arrived = self._arrivals[: logits.numel()].view(logits.shape)
            arrived.copy_(logits, non_blocking=True)
            self._done.record(self._stream)
        return arrived


class Lanes:
    """Several lanes for as many threads; a call takes one that is free."""

    def __init__(self, lanes: Sequence[Lane]) -> None:
        self._free: queue.SimpleQueue[Lane | None] = queue.SimpleQueue()
        self._count = len(lanes)
        for lane in lanes:
            self._free.put(lane)

    def run(self, laid: Laid) -> Logits:
        """As the lane's. Raises EngineLost once closed."""
        lane = self._free.get()
        try:
            if lane is None:
                raise EngineLost("the model was closed")
            return lane.run(laid)
        finally:
            self._free.put(lane)

    def close(self) -> None:
        """Wait for what runs, and let go of streams and memory. Idempotent."""
        for _ in range(self._count):
            if self._free.get() is None:
                break
        self._count = 0
        self._free.put(None)


def _roomy(size: int) -> int:
    """The next power of two: growing is rare, because locking pages is slow."""
    return 1 << max(10, (size - 1).bit_length())
