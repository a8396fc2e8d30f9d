"""Why a broker refuses or cannot be reached, as one line that says what to change. Pure.

Reads the client's exceptions, and, where it wraps everything in one, their text.
"""

from __future__ import annotations

from collections.abc import Sequence

from kafka import errors as client

from worker.errors import BrokerRefused
from worker.kafka.connection import Connection
from worker.kafka.diagnosis import NO_LOGIN, bad_credentials

HANG_UPS_THAT_MEAN_IT = 2

OTHER_HOST = (
    "the broker's certificate is for another host: use a name that stands in it in kafka.bootstrap_servers, "
    "and let the broker advertise that name"
)
WANTS_CERTIFICATE = "the broker wants a client certificate: set kafka.security.cert_file and key_file to one it trusts"
DISTRUSTED = (
    "the broker does not trust our certificate, or it has expired: set kafka.security.cert_file to a valid one that "
    "is signed by an authority the broker knows"
)

# signs in the client's text, most telling first
SIGNS = (
    ("hostname mismatch", OTHER_HOST),
    ("ip address mismatch", OTHER_HOST),
    ("certificate has expired", "the broker's certificate has expired: renew it on the broker"),
    ("certificate is not yet valid", "the broker's certificate is not valid yet: check both clocks"),
    (
        "certificate_verify_failed",
        "the broker's certificate is signed by an unknown authority: set kafka.security.ca_file to that authority",
    ),
    ("alert_certificate_expired", "our certificate has expired: renew kafka.security.cert_file"),
    ("alert_certificate_required", WANTS_CERTIFICATE),
    ("alert_bad_certificate", WANTS_CERTIFICATE),
    ("alert_unknown_ca", DISTRUSTED),
    ("alert_certificate_unknown", DISTRUSTED),
    ("alert_protocol_version", "broker and worker have no TLS version in common: allow 1.2 or newer on the broker"),
)


def explained(causes: Sequence[BaseException], connection: Connection) -> str | None:
    """The line for a connection that failed for these causes; None when they do not tell."""
    for cause in causes:
        if isinstance(cause, client.SaslAuthenticationFailedError):
            return bad_credentials(connection)
        if isinstance(cause, client.IllegalSaslStateError):
            return NO_LOGIN.format("SSL" if connection.security.tls else "PLAINTEXT")
    text = " ".join(str(cause) for cause in causes).lower()
    return next((line for sign, line in SIGNS if sign in text), None)


def nobody_there(causes: Sequence[BaseException]) -> bool:
    """Whether one of the failures says that no broker listens: what else went wrong may only be its coming up."""
    signs = ("econnrefused", "dns resolution", "ehostunreach", "enetunreach", "etimedout")
    return any(sign in str(cause).lower() for cause in causes for sign in signs)


def hung_up(causes: Sequence[BaseException]) -> bool:
    """Whether a broker closed connection after connection that it had accepted."""
    return sum("socket disconnected" in str(cause).lower() for cause in causes) >= HANG_UPS_THAT_MEAN_IT


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
    known = sorted(names) if isinstance(names, set | frozenset | list | tuple) else []
    return "topic " + ", ".join(map(str, known)) if known else "a topic"
