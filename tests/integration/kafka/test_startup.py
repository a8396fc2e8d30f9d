"""What is wrong with the cluster is said at start, in one line that names what to change."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from kafka.admin import ACLOperation as Operation
from kafka.admin import ResourceType

from tests.conftest import Topics, fresh
from tests.integration.kafka.secure import PASSWORD, SecureBroker
from worker.devbroker.jvm import JvmBroker
from worker.devbroker.topics import create_topics
from worker.errors import BrokerRefused, BrokerUnavailable
from worker.kafka.connection import Connection
from worker.kafka.startup import Limits, Needs, NewTopics, check

pytestmark = pytest.mark.broker

VALUE_BYTES = 262_144


def needs(input_topic: str, output_topic: str, *, group_id: str = "any") -> Needs:
    return Needs([input_topic], [output_topic], group_id, transactional_id=None, value_bytes=VALUE_BYTES)


@pytest.fixture
def connection(jvm_broker: JvmBroker) -> Connection:
    return Connection((jvm_broker.bootstrap_servers,))


@pytest.fixture
def client_log(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    """What a root logger at its most talkative would get of the client's log."""
    root = logging.getLogger()
    root.addHandler(caplog.handler)
    yield caplog
    root.removeHandler(caplog.handler)


class TestTopics:
    """On a broker without any protection."""

    def test_everything_there(self, connection: Connection, topics: Topics) -> None:
        """The limit is that of the strictest outgoing topic."""
        wanted = Needs(
            input_topics=[topics()],
            outgoing_topics=[topics(), topics(configs={"max.message.bytes": "400000"})],
            group_id=fresh("group"),
            transactional_id=fresh("id"),
            value_bytes=VALUE_BYTES,
        )

        limits = check(connection, wanted, connect_timeout_s=10)

        assert Limits(max_message_bytes=400_000) == limits

    def test_missing_topics_are_named_together(self, connection: Connection, topics: Topics) -> None:
        """All of them in one line, with what to do."""
        missing = [topics.missing("in"), topics.missing("out")]

        with pytest.raises(BrokerRefused) as refusal:
            check(connection, needs(*missing), connect_timeout_s=10)

        assert f"missing topics: {', '.join(sorted(missing))}: " in str(refusal.value)
        assert "kafka.create_topics" in str(refusal.value)

    def test_missing_topics_are_created_when_asked_for(self, connection: Connection, topics: Topics) -> None:
        """With the given number of partitions."""
        missing = topics.missing("in"), topics.missing("out")

        check(connection, replace(needs(*missing), create_topics=NewTopics(partitions=3)), connect_timeout_s=10)

        check(connection, needs(*missing), connect_timeout_s=10)

    def test_events_must_fit(self, connection: Connection, topics: Topics) -> None:
        """A topic that takes less than the largest payload with its event around is refused by name and setting."""
        small = topics("small", configs={"max.message.bytes": str(VALUE_BYTES)})

        with pytest.raises(
            BrokerRefused, match=rf"topic {small}: max.message.bytes is 262144, .*input.max_value_bytes"
        ):
            check(connection, needs(topics(), small), connect_timeout_s=10)


class TestConnecting:
    """Whether brokers answer at all."""

    def test_nobody_there(self) -> None:
        """Unreachable is not refused: it is retried until the time is up."""
        with pytest.raises(BrokerUnavailable, match=r"127\.0\.0\.1:9\b"):
            check(Connection(("127.0.0.1:9",)), needs("in", "out"), connect_timeout_s=1)

    def test_a_name_nobody_knows(self) -> None:
        with pytest.raises(BrokerUnavailable, match=r"nowhere\.invalid"):
            check(Connection(("nowhere.invalid:9092",)), needs("in", "out"), connect_timeout_s=1)

    def test_a_hung_broker(self, fragile_broker: JvmBroker) -> None:
        """One that accepts connections and says nothing is unreachable as well."""
        fragile_broker.pause()
        try:
            with pytest.raises(BrokerUnavailable):
                check(Connection((fragile_broker.bootstrap_servers,)), needs("in", "out"), connect_timeout_s=1)
        finally:
            fragile_broker.resume()

    def test_a_broker_that_comes_late(self, fragile_broker: JvmBroker, fragile_topics: Topics) -> None:
        """It is waited for, for ever with a time-out of 0."""
        wanted = needs(fragile_topics(), fragile_topics())
        fragile_broker.kill()
        found: list[Limits] = []
        connection = Connection((fragile_broker.bootstrap_servers,))
        waiting = threading.Thread(target=lambda: found.append(check(connection, wanted, connect_timeout_s=0)))
        waiting.start()

        fragile_broker.restart()
        waiting.join(30)

        assert [Limits(max_message_bytes=1_048_588)] == found


Case = Callable[[SecureBroker], Connection]


def stranger(broker: SecureBroker) -> Connection:
    certificate, key = broker.certificates.file("stranger.pem"), broker.certificates.file("stranger.key")
    return broker.mtls(cert_file=certificate, key_file=key)


def outdated(broker: SecureBroker) -> Connection:
    certificate, key = broker.certificates.file("old-worker.pem"), broker.certificates.file("old-worker.key")
    return broker.mtls(cert_file=certificate, key_file=key)


REFUSALS: dict[str, tuple[Case, str]] = {
    "wrong password": (lambda b: b.scram(password="no"), "refuses the credentials of svc-worker"),
    "unknown user": (lambda b: b.scram(username="nobody"), "refuses the credentials of nobody"),
    "unknown authority": (lambda b: b.scram(ca_file=b.certificates.file("stranger.pem")), "kafka.security.ca_file"),
    "other host": (lambda b: b.mtls("ELSEWHERE"), "certificate is for another host"),
    "expired": (lambda b: b.mtls("EXPIRED"), "the broker's certificate has expired"),
    "plaintext on a TLS port": (lambda b: b.plaintext("SCRAM"), "the port speaks TLS"),
    "plaintext on an mTLS port": (lambda b: b.plaintext("MTLS"), "the port speaks TLS"),
    "login in plaintext on a TLS port": (lambda b: b.scram(protocol="SASL_PLAINTEXT"), "the port speaks TLS"),
    "TLS on a plaintext port": (lambda b: b.mtls("PLAINTEXT"), "the port does not speak TLS"),
    "login over TLS on a plaintext port": (lambda b: b.scram("PLAINTEXT"), "the port does not speak TLS"),
    "login where there is none": (
        lambda b: b.scram("PLAINTEXT", protocol="SASL_PLAINTEXT"),
        "set kafka.security.protocol to PLAINTEXT",
    ),
    "no login where there must be one": (lambda b: b.mtls("SCRAM"), "SASL_SSL with sasl_mechanism SCRAM-SHA-512"),
    "other mechanism": (
        lambda b: b.scram(sasl_mechanism="PLAIN"),
        "set kafka.security.sasl_mechanism to SCRAM-SHA-512",
    ),
    "no client certificate": (lambda b: b.mtls(cert_file=None, key_file=None), "wants a client certificate"),
    "unknown client certificate": (stranger, "does not trust our certificate"),
    "expired client certificate": (outdated, "our certificate, or it has expired"),
}


class TestWayIn:
    """On a broker with TLS, logins and permissions."""

    @pytest.mark.parametrize(("case", "expected"), REFUSALS.values(), ids=REFUSALS.keys())
    def test_refused(
        self, secure_broker: SecureBroker, case: Case, expected: str, client_log: pytest.LogCaptureFixture
    ) -> None:
        """One line that names the setting to change, without the password, and nothing of the client's own log."""
        with pytest.raises(BrokerRefused) as refusal:
            check(case(secure_broker), needs("in", "out"), connect_timeout_s=20)

        line = str(refusal.value)
        assert expected in line
        assert "\n" not in line
        assert PASSWORD not in line
        assert [] == [record for record in client_log.records if record.name.startswith("kafka") and root_got(record)]

    @pytest.mark.parametrize("way", ["scram", "mtls"])
    def test_let_in(self, secure_broker: SecureBroker, way: str) -> None:
        """With a password or a certificate, and all permissions the documentation asks for."""
        wanted = secured(secure_broker, principal="User:svc-worker" if way == "scram" else "User:CN=worker")
        connection = secure_broker.scram() if way == "scram" else secure_broker.mtls()

        limits = check(connection, wanted, connect_timeout_s=20)

        assert limits.max_message_bytes > VALUE_BYTES


class TestPermissions:
    """Each missing one is named at start."""

    def test_topics(self, secure_broker: SecureBroker) -> None:
        """A topic we know nothing of may be forbidden or missing; one we may describe only says what is missing."""
        wanted = secured(secure_broker)
        described, hidden = secured_topic(secure_broker, [Operation.DESCRIBE]), secured_topic(secure_broker, [])

        for changed, expected in [
            (
                replace(wanted, input_topics=[*wanted.input_topics, hidden]),
                f"no permission on, or no such topics: {hidden}",
            ),
            (replace(wanted, input_topics=[described]), f"no permission to read {described}"),
            (replace(wanted, outgoing_topics=[described]), f"no permission to write {described}"),
        ]:
            with pytest.raises(BrokerRefused, match=expected):
                check(secure_broker.scram(), changed, connect_timeout_s=20)

    def test_group(self, secure_broker: SecureBroker) -> None:
        other = fresh("group")

        with pytest.raises(BrokerRefused, match=f"no permission on the consumer group {other}"):
            check(secure_broker.scram(), replace(secured(secure_broker), group_id=other), connect_timeout_s=20)

    def test_transactional_id(self, secure_broker: SecureBroker) -> None:
        other = fresh("id")

        with pytest.raises(BrokerRefused, match=f"no permission on the transactional id {other}"):
            check(secure_broker.scram(), replace(secured(secure_broker), transactional_id=other), connect_timeout_s=20)


def root_got(record: logging.LogRecord) -> bool:
    return logging.getLogger("kafka").propagate


def secured_topic(broker: SecureBroker, operations: list[Operation], *, principal: str = "User:svc-worker") -> str:
    topic = fresh("topic")
    create_topics(broker.broker.bootstrap_servers, {topic: 1})
    if operations:
        broker.allow(operations, ResourceType.TOPIC, topic, principal=principal)
    return topic


def secured(broker: SecureBroker, *, principal: str = "User:svc-worker") -> Needs:
    """Topics, group and transactional id with exactly the permissions a worker needs."""
    group_id = fresh("group")
    broker.allow([Operation.READ], ResourceType.GROUP, group_id, principal=principal)
    prefix = f"emostream-{group_id}-"
    operations = [Operation.WRITE, Operation.DESCRIBE]
    broker.allow(operations, ResourceType.TRANSACTIONAL_ID, prefix, principal=principal, prefixed=True)
    return Needs(
        input_topics=[secured_topic(broker, [Operation.READ, Operation.DESCRIBE], principal=principal)],
        outgoing_topics=[secured_topic(broker, [Operation.WRITE, Operation.DESCRIBE], principal=principal)],
        group_id=group_id,
        transactional_id=f"{prefix}host-0",
        value_bytes=VALUE_BYTES,
    )
