"""The objects made for KEDA and the Prometheus operator are what these take."""

from __future__ import annotations

import copy
from pathlib import Path

import jsonschema
import pytest

from tests.deploy.kubernetes.operators import schemas
from tests.deploy.rendering import CHART, VALUES, render

KEDA = CHART / "ci" / "keda-values.yaml"


@pytest.mark.parametrize("file", VALUES, ids=lambda path: path.stem)
def test_every_object_fits_its_operators_schema(file: Path) -> None:
    """Strictly: an unknown field is an error."""
    known = schemas()

    for each in render(file=file):
        schema = known.get((each["apiVersion"], each["kind"]))
        if schema is not None:
            jsonschema.validate(each, schema)


def test_the_check_finds_what_keda_would_refuse() -> None:
    """A number where KEDA wants a string, a name it does not know: this check is worth something."""
    scaled = render(file=KEDA).the("ScaledObject")
    schema = schemas()[(scaled["apiVersion"], "ScaledObject")]
    number, unknown = copy.deepcopy(scaled), copy.deepcopy(scaled)
    number["spec"]["triggers"][0]["metadata"]["lagThreshold"] = 5000
    unknown["spec"]["maxReplicas"] = 3

    for bad in (number, unknown):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(bad, schema)
