"""Why a broker refuses or cannot be reached, as one line that says what to change. Pure.

Reads the client's exceptions, and, where it wraps everything in one, their text.
"""

from __future__ import annotations

from collections.abc import Sequence

from kafka import errors as client

from worker.errors import BrokerError, BrokerRefused, BrokerUnavailable
from worker.kafka.connection import Connection

# a TLS alert read as the length of a Kafka frame: content type 21, version 3.1 to 3.4
TLS_ALERT_LENGTHS = range(0x1503_0000, 0x1504_0000)
DISCONNECTS_THAT_MEAN_REFUSED = 3

LISTS_TRUST = "set kafka.security.ca_file to the authority that signed it"
WRONG_HOST = "use a name that stands in the certificate in kafka.bootstrap_servers, and let the broker advertise it"
SPEAKS_TLS = "the port speaks TLS: set kafka.security.protocol to SSL or SASL_SSL, or use the plaintext port"
NO_TLS = "the port does not speak TLS: set kafka.security.protocol to PLAINTEXT or SASL_PLAINTEXT, or use the TLS port"
WANTS_CERTIFICATE = "the broker wants a client certificate: set kafka.security.cert_file and key_file to one it trusts"

# in the client's text, most telling first
TELLING = (
    ("hostname mismatch", "the broker's certificate is for another host: " + WRONG_HOST),
    ("ip address mismatch", "the broker's certificate is for another host: " + WRONG_HOST),
    ("certificate has expired", "the broker's certificate has expired: renew it on the broker"),
    ("certificate is not yet valid", "the broker's certificate is not valid yet: check both clocks"),
    ("certificate_verify_failed", "the broker's certificate is signed by an unknown authority: " + LISTS_TRUST),
    ("alert_certificate_expired", "our certificate has expired: renew kafka.security.cert_file"),
    ("alert_certificate_required", WANTS_CERTIFICATE),
    ("alert_bad_certificate", WANTS_CERTIFICATE),
    ("alert_unknown_ca", "the broker does not trust our certificate: use one in kafka.security.cert_file that it does"),
    ("alert_certificate_unknown", "the broker does not trust our certificate: use one in cert_file that it does"),
    ("alert_protocol_version", "broker and worker have no TLS version in common: allow TLS 1.2 or newer on the broker"),
    ("wrong_version_number", NO_TLS),
    ("record_layer_failure", NO_TLS),
    ("unexpected_eof_while_reading", NO_TLS),
)


def explain(causes: Sequence[BaseException], connection: Connection) -> BrokerError:
    """The error to raise for a connection that failed for these causes: the most telling one decides.

    BrokerRefused when trying again is pointless, else BrokerUnavailable.
    """
    for look in (_credentials, _tls, _wrong_port, _closed_at_login):
        line = look(causes, connection)
        if line is not None:
            return BrokerRefused(f"{connection.addresses}: {line}")
    return BrokerUnavailable(f"no broker answers at {connection.addresses}: check kafka.bootstrap_servers")


def permission(error: BaseException, *, group_id: str, transactional_id: str | None = None) -> BrokerRefused | None:
    """The error to raise when an operation was forbidden; None when the cause is another."""
    if isinstance(error, client.TopicAuthorizationFailedError):
        return BrokerRefused(f"no permission on {_topics(error)}: grant Read on input, Write on outgoing topics")
    if isinstance(error, client.GroupAuthorizationFailedError):
        return BrokerRefused(f"no permission on the consumer group {group_id}: grant Read on it, or set kafka.group_id")
    if isinstance(error, client.TransactionalIdAuthorizationFailedError):
        return BrokerRefused(
            f"no permission on the transactional id {transactional_id}: grant Write and Describe on the prefix "
            f"emostream-{group_id}-, or set kafka.delivery to at-least-once"
        )
    if isinstance(error, client.ClusterAuthorizationFailedError):
        return BrokerRefused("no permission to write idempotently: grant IdempotentWrite on the cluster")
    if isinstance(error, client.InconsistentGroupProtocolError):
        return BrokerRefused(f"the group {group_id} has members with another assignor: use the same, or another group")
    return None


def _topics(error: BaseException) -> str:
    names = error.args[0] if error.args else ()
    return "topic " + ", ".join(sorted(names)) if isinstance(names, set | frozenset | list) and names else "a topic"


def _credentials(causes: Sequence[BaseException], connection: Connection) -> str | None:
    security = connection.security
    for cause in causes:
        if isinstance(cause, client.UnsupportedSaslMechanismError):
            return (
                f"the broker does not offer the SASL mechanism {security.sasl_mechanism}: "
                "set kafka.security.sasl_mechanism to one it does"
            )
        if isinstance(cause, client.SaslAuthenticationFailedError):
            return _bad_credentials(connection)
    return None


def _bad_credentials(connection: Connection) -> str:
    return (
        f"the broker refuses the credentials of {connection.security.username}: "
        "check kafka.security.username and password_file"
    )


def _tls(causes: Sequence[BaseException], connection: Connection) -> str | None:  # noqa: ARG001 - one shape for all
    text = " ".join(str(cause) for cause in causes).lower().replace("sslv3_", "").replace("tlsv13_", "")
    return next((line for sign, line in TELLING if sign in text), None)


def _wrong_port(causes: Sequence[BaseException], connection: Connection) -> str | None:
    if connection.security.tls:
        return None
    frames = [cause for cause in causes if isinstance(cause, client.InvalidReceiveError)]
    return SPEAKS_TLS if any(str(number) in str(frame) for frame in frames for number in _lengths(frame)) else None


def _lengths(frame: BaseException) -> list[int]:
    numbers = [int(word) for word in str(frame).replace(":", " ").split() if word.isdigit()]
    return [number for number in numbers if number in TLS_ALERT_LENGTHS]


def _closed_at_login(causes: Sequence[BaseException], connection: Connection) -> str | None:
    """A broker may close the connection before its refusal is read; then it was reached every time and hung up."""
    if not connection.security.sasl or len(causes) < DISCONNECTS_THAT_MEAN_REFUSED:
        return None
    if all("socket disconnected" in str(cause).lower() for cause in causes):
        return _bad_credentials(connection)
    return None
