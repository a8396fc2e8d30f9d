"""What one key alone cannot tell: keys that must agree with each other, and files that must exist."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations
from pathlib import Path

from worker.config.kafka_section import KafkaSettings, SecuritySettings
from worker.config.keys import PASSWORD, variable
from worker.config.registry_section import RegistrySettings
from worker.config.settings import Settings

HIGHEST_PORT = 65_535


def problems(settings: Settings) -> Iterator[str]:
    """A line for each rule broken. Opens the files that the settings name, and nothing else."""
    yield from _ports(settings.kafka)
    yield from _topics(settings.kafka)
    yield from _sasl(settings.kafka.security)
    yield from _tls(settings.kafka.security)
    yield from _registry(settings.schema_registry)
    yield from _files(settings)


def _ports(kafka: KafkaSettings) -> Iterator[str]:
    ports = [int(server.rpartition(":")[2]) for server in kafka.bootstrap_servers.split(",")]
    if not all(1 <= port <= HIGHEST_PORT for port in ports):
        yield f"kafka.bootstrap_servers: a port is a number from 1 to {HIGHEST_PORT}"


def _topics(kafka: KafkaSettings) -> Iterator[str]:
    if len(set(kafka.input_topics)) < len(kafka.input_topics):
        yield "kafka.input_topics: the same topic is there twice"
    outgoing = {
        "kafka.output_topic": kafka.output_topic,
        "kafka.review_topic": kafka.review_topic,
        "kafka.dead_letter_topic": kafka.dead_letter_topic,
    }
    for key, topic in outgoing.items():
        if topic in kafka.input_topics:
            yield f"{key}: {topic} is also in kafka.input_topics; the worker would read what it writes"
    for (key, topic), (other_key, other) in combinations(outgoing.items(), 2):
        if topic == other:
            yield f"{other_key}: {topic} is also {key}; each outgoing topic needs a name of its own"


def _sasl(security: SecuritySettings) -> Iterator[str]:
    given = {
        "sasl_mechanism": security.sasl_mechanism,
        "username": security.username,
        "password_file": security.password_file,
        "password": security.password,
    }
    if not security.uses_sasl:
        for name, value in given.items():
            if value is not None:
                yield f"kafka.security.{name}: only for protocol SASL_SSL or SASL_PLAINTEXT, not {security.protocol}"
        return
    for name in ("sasl_mechanism", "username"):
        if given[name] is None:
            yield f"kafka.security.{name}: needed with protocol {security.protocol}"
    if security.password is None and security.password_file is None:
        yield f"kafka.security.password_file: needed with protocol {security.protocol} (or {variable(PASSWORD)})"
    if security.password is not None and security.password_file is not None:
        yield f"kafka.security.password_file: {variable(PASSWORD)} is set too; give one of them"


def _tls(security: SecuritySettings) -> Iterator[str]:
    given = {"ca_file": security.ca_file, "cert_file": security.cert_file, "key_file": security.key_file}
    if not security.uses_tls:
        for name, value in given.items():
            if value is not None:
                yield f"kafka.security.{name}: only for protocol SSL or SASL_SSL, not {security.protocol}"
        return
    for name, other in (("cert_file", "key_file"), ("key_file", "cert_file")):
        if given[name] is None and given[other] is not None:
            yield f"kafka.security.{name}: needed together with {other}"


def _registry(registry: RegistrySettings) -> Iterator[str]:
    if registry.output == "confluent" and registry.url is None:
        yield "schema_registry.url: needed with output: confluent"
    given = {"username": registry.username, "password_file": registry.password_file}
    for name, other in (("username", "password_file"), ("password_file", "username")):
        if given[name] is None and given[other] is not None:
            yield f"schema_registry.{name}: needed together with {other}"


def _files(settings: Settings) -> Iterator[str]:
    security = settings.kafka.security
    shown = {
        "kafka.security.ca_file": security.ca_file,
        "kafka.security.cert_file": security.cert_file,
        "kafka.security.key_file": security.key_file,
        "decision.policy": settings.decision.policy,
        "schema_registry.ca_file": settings.schema_registry.ca_file,
    }
    for key, path in shown.items():
        why = _unreadable(path) if path is not None else None
        if why is not None:
            yield f"{key}: {path}: {why}"
    secret = {
        "kafka.security.password_file": security.password_file,
        "schema_registry.password_file": settings.schema_registry.password_file,
    }
    for key, path in secret.items():
        if path is not None:
            yield from _password_file(key, path)


def _password_file(key: str, path: Path) -> Iterator[str]:
    """The path is not repeated: a password typed in its place must not be printed."""
    why = _unreadable(path) or _unusable(path.read_bytes())
    if why is not None:
        yield f"{key}: {why}"


def _unusable(password: bytes) -> str | None:
    if not password.strip():
        return "the file is empty"
    try:
        password.decode("utf-8")
    except UnicodeDecodeError:
        return "the file is not UTF-8"
    return None


def _unreadable(path: Path) -> str | None:
    try:
        with path.open("rb"):
            return None
    except OSError as error:
        return error.strerror or type(error).__name__
