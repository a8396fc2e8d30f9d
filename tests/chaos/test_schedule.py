from __future__ import annotations

from itertools import islice

from tests.chaos.schedule import SEVERAL_NODES_ONLY, Kind, plan


def test_a_seed_repeats_its_schedule() -> None:
    """So that a run that found something can be run again."""
    first, again, other = (list(islice(plan(seed, nodes=3), 30)) for seed in (1, 1, 2))

    assert first == again
    assert first != other


def test_every_kind_comes_before_any_comes_again() -> None:
    """A short run has seen as much as it could."""
    kinds = [fault.kind for fault in islice(plan(5, nodes=3), len(Kind))]

    assert sorted(kinds) == sorted(Kind)


def test_one_node_has_no_faults_that_need_several() -> None:
    """No leader can move where there is one broker."""
    kinds = {fault.kind for fault in islice(plan(5, nodes=1), 40)}

    assert not kinds & set(SEVERAL_NODES_ONLY)
