"""The `schema_registry` section: where schemas are kept for others, and whether values carry their ids."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from worker.config.section import Name, Section, key

WireFormat = Literal["plain", "confluent"]


class RegistrySettings(Section):
    """A Confluent-compatible schema registry, and whose records carry a schema's id."""

    url: str | None = key(
        None,
        "Where the registry's API is (Apicurio: with /apis/ccompat/v7). Needed for output: confluent; the worker looks "
        "its schemas up there at start, emostream schema register puts them there.",
        expected="http://… or https://… without a password in it, or null",
        pattern=r"^https?://[^\s@]+$",
    )
    username: Name | None = key(None, "For HTTP Basic, if the registry asks for it.")
    password_file: Path | None = key(
        None,
        "File that holds the password (a mounted secret); a line end after it is ignored.",
        expected="a readable file or null",
    )
    ca_file: Path | None = key(
        None,
        "PEM file of the authority that signed the registry's certificate. null: the system's authorities.",
        expected="a readable file or null",
    )
    input: WireFormat = key(
        "plain",
        "confluent: a zero byte and a schema's id stand before each input value, as registry-aware producers write; "
        "they are taken off, whichever schema they name. A value without them is dead-lettered.",
    )
    output: WireFormat = key(
        "plain",
        "confluent: the same before each event in the output and review topics, for registry-aware consumers. Dead "
        "letters stay as they came.",
    )

    def credentials(self) -> tuple[str, str] | None:
        """User and password, read now. Raises OSError."""
        if self.username is None or self.password_file is None:
            return None
        return self.username, self.password_file.read_text(encoding="utf-8").rstrip("\r\n")
