"""The mutations of the mitigations fit the code that they are made for."""

from __future__ import annotations

import re

import pytest

from tests.integration.kafka.mutations import MUTATIONS, ROOT, Mutation


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda each: f"{each.defects}: {each.what}")
def test_a_mutation_has_its_place_and_its_tests(mutation: Mutation) -> None:
    """What it takes out is there once, and the tests that must miss it exist."""
    mutated = mutation.applied((ROOT / mutation.path).read_text())

    compile(mutated, mutation.path, "exec")
    for test in mutation.tests:
        path, *_, name = test.split("::")
        place = ROOT / path
        sources = [place, *place.parent.glob("*_contract.py")]
        wanted = f"def {name.partition('[')[0]}("
        assert any(wanted in source.read_text() for source in sources), test


def test_every_defect_of_the_page_has_a_mutation() -> None:
    """No row of the table in docs/reliability.md is without a test that fails when its mitigation is taken out."""
    rows = re.findall(r"^\| (D\d[^|]*) \|", (ROOT / "docs/reliability.md").read_text(), flags=re.MULTILINE)

    listed = {number for row in rows for number in row.strip().split(", ")}

    assert listed == {number for mutation in MUTATIONS for number in mutation.defects.split(", ")}
