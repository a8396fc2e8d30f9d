"""`emostream advise`: the numbers as a table, as values of the chart, as JSON."""

from __future__ import annotations

import json

import jsonschema
import pytest
import yaml

from scripts.chart_files import CHART
from tests.unit.cli.conftest import Invoke

SCHEMA = json.loads((CHART / "values.schema.json").read_text(encoding="utf-8"))
STREAM = ("advise", "--rate", "800", "--peak", "6000")


def test_says_what_to_set_and_why(emostream: Invoke) -> None:
    """Every setting stands there with its reason."""
    ran = emostream(*STREAM)

    assert 0 == ran.code
    for said in ("partitions", "keda.maxReplicas", "30000", "an ordinary hour"):
        assert said in ran.words


@pytest.mark.parametrize("more", [(), ("--partitions", "8"), ("--drain", "10"), ("--cpus", "0.5")])
def test_the_values_are_the_charts(emostream: Invoke, more: tuple[str, ...]) -> None:
    """The chart's schema takes them, and they scale."""
    ran = emostream(*STREAM, "--format", "helm", *more)

    values = yaml.safe_load(ran.out)
    jsonschema.validate(values, SCHEMA)
    assert values["keda"]["enabled"] is True


def test_programs_can_read_it(emostream: Invoke) -> None:
    """JSON without infinity: a backlog that never goes is null."""
    ran = emostream(*STREAM, "--partitions", "4", "--format", "json")

    assert json.loads(ran.out)["peak_backlog_drain_s"] is None


def test_a_wish_that_cannot_be_is_refused(emostream: Invoke) -> None:
    """Exit 2 and one line."""
    ran = emostream("advise", "--rate", "-1", "--peak", "6000")

    assert (2, ["emostream: rate: -1 is not a positive number"]) == (ran.code, ran.err.splitlines())
