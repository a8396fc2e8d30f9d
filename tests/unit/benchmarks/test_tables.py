"""Tables of measured figures: what the page shows of them."""

from __future__ import annotations

from typing import Any

from tests.benchmarks import batching, cost_tables, end_to_end, engine, latency, memory, scaling
from tests.benchmarks.end_to_end import ANCHOR, OUR_OWN


def _entrant(delivery: str, *rates: float) -> dict[str, Any]:
    rounds = [{"messages": 1000, "per_s": rate, "cpu_s": 3.0, "peak_mib": 200.0, "broker_cpu_s": 0.5} for rate in rates]
    return {"delivery": delivery, "startup_cpu_s": 2.0, "rounds": rounds}


def _end_to_end() -> dict[str, Any]:
    entrants = {
        ANCHOR: _entrant("at least once", 90.0, 100.0, 110.0),
        "odd": {"delivery": "?", "rounds": [], "failures": ["ended: no"]},
        OUR_OWN: _entrant("exactly once", 500.0, 600.0, 700.0),
    }
    alone = {"rounds": [{"texts": 750, "seconds": 1.0, "cpu_s": 1.0}]}
    return {
        "models": {"m": {"about": "a model", "entrants": entrants, "engine_alone": alone, "left_out": {}}},
        "repeated": {"m": {"about": "a model", "different": _entrant("", 100.0), "repeated": _entrant("", 140.0)}},
    }


def _engine() -> dict[str, Any]:
    ours = {
        "texts": 100,
        "seconds": 0.1,
        "cpu_s": 0.2,
        "encode_cpu_s": 0.05,
        "real_tokens": 1000,
        "padded_tokens": 1020,
    }
    theirs = {"texts": 100, "seconds": 1.0, "cpu_s": 2.0}
    runners = {
        engine.ANCHOR: {"precision": "float32", "rounds": [theirs], "failures": [], "peak_mib": 900},
        "emostream, openvino bfloat16": {"precision": "bfloat16", "rounds": [ours], "failures": [], "peak_mib": 300},
        "broken": {"precision": "float32", "rounds": [], "failures": ["ended: no"], "peak_mib": 0},
    }
    model = {
        "about": "a model",
        "mean_tokens": 10.0,
        "mflop_per_text": 100.0,
        "mflop_narrowed": 80.0,
        "runners": runners,
    }
    return {"peak_gflops": {"float32": 100.0, "bfloat16": 200.0}, "peak_how": "how", "models": {"m": model}}


def test_an_engine_is_shown_with_its_share_of_the_peak_in_its_own_arithmetic() -> None:
    """1 000 texts of 80 MFLOP a second are 40 % of 200 GFLOP/s."""
    table = engine.tables(_engine())["engine"]

    assert "| emostream, openvino bfloat16 | 1 000 (1 000-1 000) | 10.0 | 40% | 1.020 | 200 | 300 |" in table
    assert f"| {engine.ANCHOR} | 100 (100-100) | 1.00 | 10% |  | 2 000 | 900 |" in table
    assert "| broken (one round failed: ended: no) | not measured |" in table


def test_costs_of_many_machines_come_from_both_parts() -> None:
    """100 s of CPU for 100 000 messages, of which the model takes no more than all but a hundredth."""
    tables = cost_tables.tables({"engine": _engine(), "end-to-end": _end_to_end()})

    assert "| a model | 100 | 99.0 | 1.00 | 50.0 |" in tables["costs"]
    assert "| 1 000 |" in tables["cost"]
    assert {} == cost_tables.tables({"engine": _engine()})


def test_end_to_end_shows_ratios_costs_and_who_failed() -> None:
    """CPU seconds for 100 000 messages, all of them and without start-up's."""
    tables = end_to_end.tables(_end_to_end())

    assert "| 1 000 | 600 (500-700) | 6.00 | 1.00 | 300 | 100 | 200 |" in tables["end-to-end"]
    assert "| odd (one round failed: ended: no) | ? | not measured |" in tables["end-to-end"]
    assert "| a model | 600 (500-700) | 750 (750-750) | 80.0% |" in tables["engine-share"]
    assert "| 1.40 |" in tables["repeated"]


def test_memory_is_the_most_of_all_rounds() -> None:
    """Of what the other parts ran, without measuring again."""
    collected = memory.collected({"end-to-end": _end_to_end()})

    assert {"a model": 200} == collected["peaks_mib"]["Kafka to Kafka"][OUR_OWN]
    assert "odd" not in memory.tables(collected)["memory"]


def test_latency_shows_each_percentile_over_the_rounds() -> None:
    """Of the rounds' percentiles the median, the least and the most; what was lost in all; and that one failed."""
    done = {"p95": 6.0, "p99": 7.0, "lost": 1, "peak_mib": 200}
    rounds = [{"p50": 2.0, **done}, {"failed": "it ended"}, {"p50": 5.0, **done}]
    case = {"contender": "c", "load": "400/s", "per_s": 400, **latency.together(rounds)}

    table = latency.tables({"about": "a model", "capacity": 5000, "cases": [case]})["latency"]

    shown = "| c, 400/s (one round failed: it ended) | 400 | 3.50 (2.00-5.00) | 6.00 (6.00-6.00) |"
    assert shown in table


def test_latency_of_rounds_that_all_failed() -> None:
    """Says so."""
    case = {"contender": "c", "load": "400/s", "per_s": 400, **latency.together([{"failed": "it ended"}])}

    table = latency.tables({"about": "a model", "capacity": 5000, "cases": [case]})["latency"]

    assert "| c, 400/s | 400 | not measured: it ended |" in table


def test_padding_counts_padded_over_real_tokens() -> None:
    """Two batches: one of 2 x 10 for 15 tokens, one without padding."""
    assert {"ratio": 1.25, "batches": 2, "largest": 20} == batching.padding_of([[5, 10], [5]])


def test_lengths_are_drawn_the_same_each_time() -> None:
    """Within Beam's bounds."""
    for draw in batching.DISTRIBUTIONS.values():
        lengths = batching.drawn(draw)

        assert (10_000, True) == (len(lengths), 1 <= min(lengths) <= max(lengths) <= 500)
        assert lengths == batching.drawn(draw)


def test_scaling_is_told_beside_the_first_line() -> None:
    """One worker on one core is the measure, and what the engine does by itself."""
    rounds = [{"messages": 1000, "per_s": 100.0, "cpu_s": 1.0}]
    usual = {"bound": True, "client": "kafka-python"}
    fleets = [
        {"partitions": 1, "workers": 1, **usual, "rounds": rounds},
        {"partitions": 2, "workers": 2, **usual, "rounds": [{**rounds[0], "per_s": 190.0}]},
    ]
    alone = {"rounds": [{"texts": 500, "seconds": 2.0}]}
    measured = {"about": "a model", "cores": 2, "fleets": fleets, "engine_alone": alone}

    table = scaling.tables(measured)["scaling"]

    assert "a model; the engine alone: 250 (250-250) texts/s." in table
    assert "| 2 | 2 | 1, its own | kafka-python | 190 (190-190) | 1.90 | 76% | 100 |" in table
