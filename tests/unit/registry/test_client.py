"""The registry's client: ids, what is not there, and every refusal as one line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from schemas.json_schema import json_schemas
from tests.schema_registry import Registry, registry
from worker.devbroker.ports import free_ports
from worker.errors import ConfigError, RegistryError
from worker.records import Destination
from worker.registry.client import SchemaRegistry
from worker.registry.subjects import frames, schema_of

SCHEMA = {"type": "object", "title": "ü"}
TOPICS = {Destination.OUTPUT: "out", Destination.REVIEW: "review", Destination.DEAD_LETTER: "dead"}


@pytest.fixture
def listening() -> Iterator[Registry]:
    with registry() as found:
        yield found


def test_a_schema_keeps_its_id(listening: Registry) -> None:
    """Registered twice it is one version; another schema has another id; it arrives as it is."""
    client = SchemaRegistry(listening.url + "/")

    ids = [client.register("a/b-value", each) for each in (SCHEMA, SCHEMA, {"type": "string"})]

    assert [1, 1, 2] == ids
    assert SCHEMA == json.loads(listening.subjects["a/b-value"][0])


def test_what_is_not_there_has_no_id(listening: Registry) -> None:
    """Neither an unknown subject nor another schema under a known one."""
    client = SchemaRegistry(listening.url)
    before = client.find("subject", SCHEMA)
    client.register("subject", SCHEMA)

    assert (None, 1, None) == (before, client.find("subject", SCHEMA), client.find("subject", {"type": "string"}))


def test_credentials_are_sent(listening: Registry) -> None:
    """HTTP Basic; without them the refusal is told, without the password."""
    listening.credentials = ("worker", "secret")
    known = SchemaRegistry(listening.url, credentials=("worker", "secret"))
    stranger = SchemaRegistry(listening.url, credentials=("worker", "hidden"))

    assert 1 == known.register("subject", SCHEMA)
    with pytest.raises(RegistryError, match=r"the registry answers 401: Unauthorized$") as refused:
        stranger.register("subject", SCHEMA)
    assert "hidden" not in str(refused.value)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ((500, b'{"error_code": 50001, "message": "Error in the backend data store"}'), "500: Error in the backend"),
        ((409, b'{"error_code": 409, "message": "incompatible"}'), "409: incompatible"),
        ((404, b"<html>"), "is the path of its API missing in the URL"),
        ((503, b""), "the registry answers 503$"),
        ((200, b"<html>"), "no schema registry: not JSON"),
        ((200, b'{"versions": []}'), "no schema registry: no id"),
    ],
)
def test_every_refusal_is_one_line(listening: Registry, answer: tuple[int, bytes], said: str) -> None:
    """With the registry's own reason, if it gives one."""
    listening.answer = answer

    with pytest.raises(RegistryError, match=said):
        SchemaRegistry(listening.url).find("subject", SCHEMA)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_no_redirect_is_followed(listening: Registry, status: int) -> None:
    """The password stays with the host it was given for, and the refusal says where the registry went."""
    listening.answer = (status, b"")
    with registry() as elsewhere:
        listening.location = elsewhere.url.replace("://", "://user:hunter2@") + "/subjects/subject"
        client = SchemaRegistry(listening.url, credentials=("worker", "secret"))

        with pytest.raises(
            RegistryError, match=f"answers {status}.*to http://127.0.0.1:{elsewhere.server_port}"
        ) as told:
            client.register("subject", SCHEMA)

    assert [] == elsewhere.asked
    assert "name the address it moved to" in str(told.value)
    assert "hunter2" not in str(told.value)


def test_a_redirect_to_nowhere_is_told(listening: Registry) -> None:
    """Without an address there is none to name."""
    listening.answer = (302, b"")

    with pytest.raises(RegistryError, match="answers 302, a redirect, which is not followed"):
        SchemaRegistry(listening.url).find("subject", SCHEMA)


def test_a_registry_that_is_away_is_told() -> None:
    """Nobody listens there."""
    (nobody,) = free_ports(1)

    with pytest.raises(RegistryError, match="cannot be reached"):
        SchemaRegistry(f"http://127.0.0.1:{nobody}").find("subject", SCHEMA)


@pytest.mark.parametrize("url", ["registry:8081", "file:///etc/passwd", "https://", "https://user:secret@registry"])
def test_only_web_addresses_without_secrets_are_taken(url: str) -> None:
    """Nothing of the URL is repeated."""
    with pytest.raises(ConfigError, match="http://… or https://…") as refused:
        SchemaRegistry(url)
    assert "secret" not in str(refused.value)


def test_authorities_that_are_none_are_refused(tmp_path: Path) -> None:
    """A file that is no PEM is a configuration error."""
    (tmp_path / "ca.pem").write_text("nothing")

    with pytest.raises(ConfigError, match="ca_file"):
        SchemaRegistry("https://registry", ca_file=tmp_path / "ca.pem")


def test_frames_are_of_this_versions_schemas(listening: Registry) -> None:
    """Zero, then the id in four bytes, for output and review; dead letters have none."""
    client = SchemaRegistry(listening.url)
    client.register("other", SCHEMA)
    client.register("out-value", schema_of(Destination.OUTPUT))
    client.register("review-value", schema_of(Destination.REVIEW))

    found = frames(client, TOPICS)

    assert {Destination.OUTPUT: b"\0\0\0\0\2", Destination.REVIEW: b"\0\0\0\0\3"} == found
    assert json_schemas()["emostream.enriched/1"] == schema_of(Destination.OUTPUT)


def test_a_schema_that_nobody_registered_is_told_with_the_remedy(listening: Registry) -> None:
    """The worker puts nothing there by itself."""
    with pytest.raises(RegistryError, match=r"^out-value: .* run emostream schema register"):
        frames(SchemaRegistry(listening.url), TOPICS)
    assert {} == listening.subjects
