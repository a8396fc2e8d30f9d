"""The page and the data of the benchmarks: each part replaces its own."""

from __future__ import annotations

from pathlib import Path

from tests.benchmarks.documents import DOCS, PAGE, machine_of, merged, read, refreshed, rewrite, store

SECTION = "before\n<!-- generated: speed -->\nold\n<!-- end: speed -->\nbetween\n"


def test_a_table_replaces_what_stood_between_its_markers() -> None:
    """And nothing else."""
    expected = "before\n<!-- generated: speed -->\n| new |\n<!-- end: speed -->\nbetween\n"

    assert expected == refreshed(SECTION, {"speed": "| new |\n"})


def test_writing_a_table_twice_is_writing_it_once() -> None:
    """Nothing grows from run to run."""
    once = refreshed(SECTION, {"speed": "| \\1 new |\n"})

    assert once == refreshed(once, {"speed": "| \\1 new |\n"})


def test_a_part_keeps_what_others_measured(tmp_path: Path) -> None:
    """So that a run can be gone on with by part."""
    store("engine", {"a": 1}, tmp_path)
    store("latency", {"b": 2}, tmp_path)
    store("engine", {"a": 3}, tmp_path)

    assert {"engine": {"a": 3}, "latency": {"b": 2}} == read(tmp_path)


def test_a_model_keeps_its_figures_while_another_is_measured() -> None:
    """Everything else is what was measured last."""
    former = {"load": 1, "models": {"tiny": 1, "large": 2}, "gone": 3}

    assert {"load": 4, "models": {"tiny": 1, "large": 5}} == merged(former, {"load": 4, "models": {"large": 5}})


def test_models_measured_on_different_days_say_so() -> None:
    """One line while all were measured together, else one for each."""
    today = {
        "cpu": "a CPU",
        "flags": ["avx2"],
        "cpus": 2,
        "memory_gib": 8.0,
        "python": "3.11",
        "load_before": [0.1],
        "date": "2026-11-21 10:00",
    }
    models = {"tiny": {"about": "small"}, "large": {"about": "big"}}
    together = {"machine": today, "models": models, "machines": dict.fromkeys(models, today)}
    earlier = {**together, "machines": {"tiny": today, "large": {**today, "date": "2026-11-20 09:00"}}}

    assert 1 == machine_of(together).count("10:00") == len(machine_of(together).splitlines())
    assert ["small: ", "big: "] == [line[: line.index(":") + 2] for line in machine_of(earlier).split("\n\n")]
    assert "09:00" in machine_of(earlier)


def test_a_table_without_markers_is_told(tmp_path: Path) -> None:
    """It would be lost in silence."""
    (tmp_path / PAGE).write_text(SECTION)

    assert ["cost"] == rewrite({"speed": "x", "cost": "y"}, tmp_path)


def test_the_page_has_a_pair_of_markers_for_every_table() -> None:
    """Of all the parts, with the machine of those that have a clock."""
    page = (DOCS / PAGE).read_text()
    clocked = [f"machine of {part}" for part in ("engine", "end-to-end", "latency", "scaling", "start-up")]
    tables = ["end-to-end", "engine-share", "repeated", "engine", "batching", "padding", "latency", "memory", "scaling"]

    missing = [
        name
        for name in (*clocked, *tables, "start-up", "costs", "cost")
        if page.count(f"<!-- generated: {name} -->") != 1 or page.count(f"<!-- end: {name} -->") != 1
    ]

    assert [] == missing
