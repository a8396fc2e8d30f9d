"""How to reach the brokers: addresses, TLS, SASL; and how the client under us is told.

Owns the translation of settings to kafka-python's keyword arguments and the checks of the files they name.
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from worker.errors import ConfigError

PROTOCOLS = ("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL")
SASL_MECHANISMS = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")

RECONNECTING: Mapping[str, Any] = {
    "reconnect_backoff_ms": 50,
    # the client's default of 30 s kept consumers away for 32 to 39 s after the broker was back
    "reconnect_backoff_max_ms": 1000,
}
BOOTSTRAP_TIMEOUT_MS = 5_000


@dataclass(frozen=True, slots=True)
class Security:
    """TLS and SASL. `ca_file`: the authorities to trust, PEM (None: the system's); `cert_file` and `key_file`: ours."""

    protocol: str = "PLAINTEXT"
    sasl_mechanism: str | None = None
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None

    @property
    def tls(self) -> bool:
        return self.protocol in ("SSL", "SASL_SSL")

    @property
    def sasl(self) -> bool:
        return self.protocol in ("SASL_PLAINTEXT", "SASL_SSL")

    def client_settings(self) -> dict[str, Any]:
        """The client's keyword arguments. Raises ConfigError naming the setting that cannot be used."""
        if self.protocol not in PROTOCOLS:
            raise ConfigError(f"kafka.security.protocol: {self.protocol!r} is none of {', '.join(PROTOCOLS)}")
        settings: dict[str, Any] = {"security_protocol": self.protocol}
        if self.sasl:
            settings |= self._sasl_settings()
        if self.tls:
            settings["ssl_context"] = self._tls_context()
        return settings

    def _sasl_settings(self) -> dict[str, Any]:
        if self.sasl_mechanism not in SASL_MECHANISMS:
            raise ConfigError(
                f"kafka.security.sasl_mechanism: {self.sasl_mechanism!r} is none of {', '.join(SASL_MECHANISMS)}"
            )
        if self.username is None or self.password is None:
            raise ConfigError("kafka.security: SASL needs username and password_file")
        return {
            "sasl_mechanism": self.sasl_mechanism,
            "sasl_plain_username": self.username,
            "sasl_plain_password": self.password,
        }

    def _tls_context(self) -> ssl.SSLContext:
        try:
            context = ssl.create_default_context(cafile=self.ca_file)
        except (OSError, ssl.SSLError) as error:
            raise ConfigError(f"kafka.security.ca_file: cannot use {self.ca_file}: {_reason(error)}") from error
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.check_hostname = True
        if self.cert_file is None:
            return context
        try:
            # an empty password instead of a prompt on the terminal when the key is encrypted
            context.load_cert_chain(self.cert_file, self.key_file, password="")
        except (OSError, ssl.SSLError) as error:
            files = f"{self.cert_file} and {self.key_file}" if self.key_file else f"{self.cert_file}"
            raise ConfigError(f"kafka.security.cert_file, key_file: cannot use {files}: {_reason(error)}") from error
        return context


@dataclass(frozen=True, slots=True)
class Connection:
    """One cluster as one client sees it. `api_version` is given only to brokers that cannot be asked (None: ask)."""

    bootstrap_servers: tuple[str, ...]
    security: Security = field(default_factory=Security)
    client_id: str = "emostream"
    api_version: tuple[int, ...] | None = None

    @property
    def addresses(self) -> str:
        """For messages: the bootstrap servers as the user wrote them."""
        return ", ".join(self.bootstrap_servers)

    def client_settings(self, *, bootstrap_timeout_ms: int | None = BOOTSTRAP_TIMEOUT_MS) -> dict[str, Any]:
        """What every client of ours is given: where, how, and how eagerly it reconnects.

        `bootstrap_timeout_ms`: for how long its constructor waits for a broker, None: for ever.
        """
        return {
            "bootstrap_servers": list(self.bootstrap_servers),
            "client_id": self.client_id,
            "api_version": self.api_version,
            "bootstrap_timeout_ms": bootstrap_timeout_ms,
            **RECONNECTING,
            **self.security.client_settings(),
        }


def _reason(error: OSError | ssl.SSLError) -> str:
    return error.strerror or error.__class__.__name__ if not isinstance(error, ssl.SSLError) else error.reason or "?"
