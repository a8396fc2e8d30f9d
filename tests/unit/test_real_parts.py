"""The rule that keeps CI from passing by leaving tests out."""

from __future__ import annotations

import pytest

from tests.real_parts import unmet


@pytest.mark.parametrize("value", ["true", "True", "1"])
def test_in_ci_what_is_missing_fails(value: str) -> None:
    """With CI set, a missing real component is a failure."""
    with pytest.raises(pytest.fail.Exception, match="no java on the path"):
        unmet("no java on the path", environ={"CI": value})


@pytest.mark.parametrize("environ", [{}, {"CI": ""}, {"CI": "false"}])
def test_on_a_developers_machine_what_is_missing_skips(environ: dict[str, str]) -> None:
    """Without CI, a missing real component skips the test and says why."""
    with pytest.raises(pytest.skip.Exception, match="no java on the path"):
        unmet("no java on the path", environ=environ)
