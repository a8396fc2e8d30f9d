"""From one machine to many: what the cost model makes of a message's costs."""

from __future__ import annotations

from dataclasses import replace

from tests.benchmarks.cost_model import Assumptions, Costs, need, needs

COSTS = Costs(worker_cpu_s=1e-3, broker_cpu_s=1e-5, model_cpu_s=8e-4, model_flop=1e9)
ASSUMED = Assumptions(busy=0.5, worker_cores=2.0, gpu_flops=1e12, gpu_share=0.1)


def test_workers_are_the_rate_over_what_one_does() -> None:
    """Two cores, half busy, at a millisecond a message: a thousand a second each."""
    assert [1, 10, 11] == [need(rate, COSTS, ASSUMED).workers for rate in (1_000, 10_000, 10_001)]


def test_there_is_a_partition_for_every_worker() -> None:
    """Or some of them would have nothing to read."""
    assert all(each.partitions >= each.workers for each in needs((1_000, 10_000, 100_000), COSTS, ASSUMED))


def test_brokers_follow_the_costlier_of_cpu_and_bytes() -> None:
    """There are never fewer than the replicas need."""
    large = replace(ASSUMED, record_bytes=100_000)
    slow = replace(COSTS, broker_cpu_s=1e-3)

    brokers = [
        need(10_000, costs, assumed).brokers for costs, assumed in ((COSTS, ASSUMED), (COSTS, large), (slow, ASSUMED))
    ]

    assert [3, 48, 8] == brokers


def test_a_gpu_takes_the_model_and_leaves_the_rest() -> None:
    """A hundred texts a second each, and cores for what is not the model."""
    found = need(1_000, COSTS, ASSUMED)

    assert (10, 1) == (found.gpus, found.gpu_host_cores)
