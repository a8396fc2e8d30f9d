"""The `kafka` section: where records come from and go to, what is promised about them, and who may do it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, SecretStr, StringConstraints
from pydantic_settings import NoDecode

from worker.config.section import DELIMITER, PREFIX, Name, Section, key


def _listed(value: object) -> object:
    """A list from one string: a JSON list, or names between commas (what an environment variable can hold)."""
    if not isinstance(value, str):
        return value
    if value.lstrip().startswith("["):
        return json.loads(value)
    return [name.strip() for name in value.split(",") if name.strip()]


Topic = Annotated[str, StringConstraints(pattern=r"^[a-zA-Z0-9._-]{1,249}$")]
Topics = Annotated[tuple[Topic, ...], NoDecode, BeforeValidator(_listed)]
TOPIC_NAME = "a topic name: up to 249 letters, digits, '.', '_' or '-'"


class SecuritySettings(Section):
    """How the way to the brokers is protected. Passed to the client as it is."""

    protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = key(
        "PLAINTEXT",
        "As the brokers' listener says. PLAINTEXT is for development; SASL_PLAINTEXT sends the password unencrypted "
        "with the mechanism PLAIN.",
    )
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] | None = key(
        None, "Needed with SASL_*. Take SCRAM-SHA-512 where the brokers offer it."
    )
    username: Name | None = key(None, "Needed with SASL_*. One user for each worker group keeps ACLs small.")
    password_file: Path | None = key(
        None,
        "File that holds the password (a mounted secret); a line end after it is ignored. This or the environment "
        f"variable {PREFIX}KAFKA{DELIMITER}SECURITY{DELIMITER}PASSWORD is needed with SASL_*.",
        expected="a readable file or null",
    )
    password: SecretStr | None = key(
        None,
        "Only from the environment, never in the file, never shown. Prefer password_file: environments are seen by "
        "more eyes.",
        expected="the environment variable only",
    )
    ca_file: Path | None = key(
        None,
        "PEM file of the authority that signed the brokers' certificates. null: the system's authorities.",
        expected="a readable file or null",
    )
    cert_file: Path | None = key(
        None, "PEM certificate of this client, when the brokers ask for one (mTLS).", expected="a readable file or null"
    )
    key_file: Path | None = key(
        None, "PEM key, unencrypted, that belongs to cert_file.", expected="a readable file or null"
    )

    @property
    def uses_sasl(self) -> bool:
        return self.protocol.startswith("SASL")

    @property
    def uses_tls(self) -> bool:
        return self.protocol.endswith("SSL")

    def read_password(self) -> SecretStr | None:
        """The password from wherever it is kept, read now (None: there is none). Raises OSError."""
        if self.password_file is None:
            return self.password
        return SecretStr(self.password_file.read_text(encoding="utf-8").rstrip("\r\n"))


class KafkaSettings(Section):
    """Where records come from and go to, and what is promised about them."""

    bootstrap_servers: str = key(
        "localhost:9092",
        "Some of the brokers; the client finds the others. Name at least two in production, so that one may be down "
        "at start.",
        expected="host:port, several between commas",
        pattern=r"^\s*[^\s,]+:[0-9]{1,5}\s*(,\s*[^\s,]+:[0-9]{1,5}\s*)*$",
    )
    client: Literal["kafka-python", "confluent-kafka"] = key(
        "kafka-python",
        "The client library of the running worker; both keep the same promises. confluent-kafka takes less CPU time "
        "for each message and needs pip install 'emostream[confluent]'; kafka-python is always there.",
    )
    group_id: Name = key(
        "emostream",
        "Consumer group. Workers of one group share the partitions; another group reads everything again. It is part "
        "of the transactional id, so keep it stable.",
    )
    input_topics: Topics = key(
        ("texts",),
        "Topics to read. In the environment: a JSON list, or names between commas.",
        expected="one or more different topic names",
        min_length=1,
    )
    output_topic: Topic = key("texts.enriched", "Gets an event for each accepted record.", expected=TOPIC_NAME)
    review_topic: Topic = key(
        "texts.review", "Gets what the model is not sure of, with reasons, for people to look at.", expected=TOPIC_NAME
    )
    dead_letter_topic: Topic = key(
        "texts.dead-letter", "Gets records that cannot be processed, byte for byte.", expected=TOPIC_NAME
    )
    delivery: Literal["exactly-once", "at-least-once"] = key(
        "exactly-once",
        "exactly-once commits outcomes and offsets in one transaction; its readers must read committed. at-least-once "
        "saves the transactions; after a failure readers may see repeats, with the same id.",
    )
    start_from: Literal["earliest", "latest"] = key(
        "earliest", "Where a new group starts. latest skips what is in the topics already."
    )
    create_topics: bool = key(
        False, "Create missing topics with the brokers' defaults. For development: a typo makes a topic."
    )
    connect_timeout_s: float = key(
        60.0,
        "How long an unreachable broker is retried at start; 0: for ever. Wrong credentials, TLS, ACLs and topics fail "
        "at once in any case. Longer than the brokers need to start.",
        unit="seconds",
        ge=0,
        le=86_400,
    )
    partition_assignor: Literal["cooperative-sticky", "range"] = key(
        "cooperative-sticky",
        "How partitions are shared out. cooperative-sticky keeps the partitions that need not move; range is for "
        "groups with members that know nothing else. Every member of a group needs the same one.",
    )
    compression: Literal["lz4", "zstd", "gzip", "none"] = key(
        "lz4",
        "Of outgoing records. lz4 costs least time; zstd makes them smaller where the network or the disk is short.",
    )
    api_version: str | None = key(
        None,
        "Protocol version of brokers that cannot be asked for theirs: 2.3 for the embedded development broker. null: "
        "ask.",
        expected="a version like 2.3, or null",
        pattern=r"^[0-9]+(\.[0-9]+)+$",
    )
    security: SecuritySettings = Field(default_factory=SecuritySettings)

    @property
    def api_version_numbers(self) -> tuple[int, ...] | None:
        """As the client wants it."""
        return None if self.api_version is None else tuple(int(number) for number in self.api_version.split("."))
