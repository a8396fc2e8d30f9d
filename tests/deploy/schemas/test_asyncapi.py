"""The AsyncAPI document through AsyncAPI's own parser."""

from __future__ import annotations

import json

import pytest

from schemas.asyncapi import Topics, asyncapi
from tests.deploy.schemas.tools import asyncapi_findings

pytestmark = pytest.mark.timeout(300)

ERROR, WARNING = 0, 1


@pytest.mark.parametrize("inputs", [("texts",), ("reviews", "chats")])
def test_the_document_is_valid(inputs: tuple[str, ...]) -> None:
    """With one input topic and with several: neither an error nor a warning."""
    found = asyncapi_findings(json.dumps(asyncapi(Topics(input=inputs), version="1.2.3")))

    assert [] == [each for each in found if each["severity"] in (ERROR, WARNING)]


def test_the_parser_would_find_a_fault() -> None:
    """An action that does not exist is an error."""
    document = asyncapi(Topics(), version="1.2.3")
    next(iter(document["operations"].values()))["action"] = "devour"

    assert [each for each in asyncapi_findings(json.dumps(document)) if each["severity"] == ERROR]
