"""What tracing costs a wave: `python -m tests.benchmarks.tracing`.

The worker's own CPU time for a wave of 512 records, each sent in a sampled span of its own (128 of them are linked, the
default), with a classifier that costs nothing, tracing off and on in turns; sending the spans to an endpoint in another
process is included. That is set beside the CPU time that such a wave takes with a real model (docs/benchmarks.md): at
full load, where all cores are busy, the share is what tracing takes from the throughput.
"""

from __future__ import annotations

import multiprocessing
import os
import statistics
import time
from multiprocessing.connection import Connection

from tests.otlp_collector import collector
from tests.unit.core import broker_with, pipeline_of, publisher_of
from worker.batching import CloseReason, Gathered, Wave
from worker.clock import SystemClock
from worker.observability.tracing import tracing_of
from worker.records import Membership, Record
from worker.tracing import UNTRACED, Tracing

RECORDS = 512
WAVES = 60
"""What the fastest builtin model does between two exports of spans, 5 s apart."""
ROUNDS = 9
CPU_S = {"builtin:emotion": 202.0, "builtin:emotion-tiny": 24.9}
"""CPU seconds of emostream run for 100 000 records, exactly once."""


def listen(told: Connection) -> None:
    with collector() as listening:
        told.send(listening.endpoint)
        told.recv()


def record(number: int) -> Record:
    traceparent = f"00-{number + 1:032x}-{number + 1:016x}-01".encode()
    return Record("texts", number % 4, number, 0, None, f"text {number}".encode(), (("traceparent", traceparent),))


def seconds_of_cpu(tracing: Tracing) -> float:
    """CPU time of this process for one wave, all its threads."""
    pipeline = pipeline_of(publisher_of(broker_with([])), tracing=tracing)
    gathered: list[Gathered] = pipeline.gather([record(number) for number in range(RECORDS)])
    membership = Membership(1, "member", None)
    began = time.process_time()
    for _ in range(WAVES):
        done = pipeline.process(Wave(tuple(gathered), membership, CloseReason.MESSAGES))
        done.trace.published(time.monotonic(), {"tokens": 1})
    tracing.close()
    return (time.process_time() - began) / WAVES


def main() -> None:
    ours, theirs = multiprocessing.Pipe()
    listener = multiprocessing.get_context("spawn").Process(target=listen, args=(theirs,))
    listener.start()
    os.environ["OTEL_EXPORTER_OTLP_ENDPOINT"] = ours.recv()
    clock = SystemClock()
    untraced, traced = [], []
    for _ in range(ROUNDS):
        untraced.append(seconds_of_cpu(UNTRACED))
        traced.append(seconds_of_cpu(tracing_of(os.environ, group_id="group", clock=clock)))
    ours.send("enough")
    listener.join()
    off_ms, on_ms = (statistics.median(each) * 1e3 for each in (untraced, traced))
    print(f"a wave of {RECORDS}: {off_ms:.2f} ms of CPU untraced, {on_ms:.2f} ms traced")
    for model, cpu_s in CPU_S.items():
        wave_ms = RECORDS * cpu_s / 100_000 * 1e3
        print(f"{model}: {on_ms - off_ms:.2f} ms more than {wave_ms:.0f} ms, {(on_ms - off_ms) / wave_ms:.1%}")


if __name__ == "__main__":
    main()
