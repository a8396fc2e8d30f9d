"""From one machine to many: brokers, partitions, workers and GPUs for a rate, from what was measured. Pure.

Everything is linear in messages: a message costs a worker `worker_cpu_s`, the brokers `broker_cpu_s` for each replica,
and the network its bytes. What is linear here on one machine stays so on many because workers share nothing but the
brokers, and a wave's fixed costs (one transaction) do not grow with the group.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from worker.sizing.advice import Wish, advise


@dataclass(frozen=True, kw_only=True)
class Costs:
    """Of one message. `model_cpu_s` is the part of `worker_cpu_s` that a GPU takes over; `model_flop`, its work."""

    worker_cpu_s: float
    broker_cpu_s: float
    model_cpu_s: float
    model_flop: float


@dataclass(frozen=True, kw_only=True)
class Assumptions:
    """`busy`: share of its cores that a worker or broker is planned with; `gpu_share`: share of a GPU's peak that a
    classifier reaches, not measured here; rates are over one second, records as they stand in the log, compressed."""

    busy: float = 0.7
    worker_cores: float = 2.0
    broker_cores: float = 8.0
    replicas: int = 3
    least_brokers: int = 3
    record_bytes: int = 400
    broker_bytes_per_s: float = 250e6
    gpu_flops: float = 120e12
    gpu_share: float = 0.3
    drain_s: float = 300.0


@dataclass(frozen=True)
class Need:
    """What a rate takes. `gpus` and `gpu_host_cores` are instead of `workers`, not beside them."""

    rate: float
    partitions: int
    workers: int
    brokers: int
    gpus: int
    gpu_host_cores: int


def need(rate: float, costs: Costs, assumed: Assumptions) -> Need:
    """For `rate` messages a second at the peak."""
    one_worker = assumed.worker_cores * assumed.busy / costs.worker_cpu_s
    workers = math.ceil(rate / one_worker)
    sized = advise(Wish(rate=one_worker, peak=rate, usual=rate, drain_s=assumed.drain_s))
    beside_model = costs.worker_cpu_s - costs.model_cpu_s
    return Need(
        rate=rate,
        partitions=max(sized.partitions, workers),
        workers=workers,
        brokers=_brokers(rate, costs, assumed),
        gpus=math.ceil(rate * costs.model_flop / (assumed.gpu_flops * assumed.gpu_share)),
        gpu_host_cores=math.ceil(rate * beside_model / assumed.busy),
    )


def _brokers(rate: float, costs: Costs, assumed: Assumptions) -> int:
    """As many as the CPU needs, or the bytes: each record is written to every replica, and its outcome too."""
    by_cpu = rate * costs.broker_cpu_s * assumed.replicas / (assumed.broker_cores * assumed.busy)
    by_bytes = rate * assumed.record_bytes * 2 * assumed.replicas / (assumed.broker_bytes_per_s * assumed.busy)
    return max(assumed.least_brokers, math.ceil(by_cpu), math.ceil(by_bytes))


def needs(rates: Iterable[float], costs: Costs, assumed: Assumptions | None = None) -> list[Need]:
    return [need(rate, costs, assumed or Assumptions()) for rate in rates]
