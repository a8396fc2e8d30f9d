"""How the machine is described."""

from __future__ import annotations

from pathlib import Path

from worker.profiling.machine import Machine, this_machine


def test_the_processor_is_named(tmp_path: Path) -> None:
    """As the kernel names it."""
    info = tmp_path / "cpuinfo"
    info.write_text("processor\t: 0\nmodel name\t: A Processor 9000\nmodel name\t: A Processor 9000\n")

    assert "A Processor 9000" == this_machine(cpus=3, cpu_info=info).processor


def test_a_kernel_that_does_not_say_is_no_error(tmp_path: Path) -> None:
    """Then it is the architecture, or nothing."""
    assert 3 == this_machine(cpus=3, cpu_info=tmp_path / "nothing").cpus


def test_a_machine_is_busy_when_half_of_its_cpus_are() -> None:
    """What is measured then is others' work, too."""
    assert [False, True, False] == [Machine("any", 2, load).busy for load in (0.9, 1.1, None)]


def test_a_gpu_is_named_where_one_was_measured() -> None:
    """It is what the rates are of."""
    assert "any, 2 CPUs" == Machine("any", 2, None).words
    assert "any, 2 CPUs, a GPU" == Machine("any", 2, None, gpu="a GPU").words
