"""A broker with TLS, SASL and ACLs, and the certificates for it, made anew for each test session."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from kafka.admin import ACL, ACLOperation, ACLPermissionType, KafkaAdminClient, ResourcePattern, ResourceType
from kafka.admin import ACLResourcePatternType as PatternType

from tests.conftest import start_jvm_broker
from tests.real_parts import unmet
from worker.devbroker.jvm import JvmBroker
from worker.kafka.connection import Connection, Security

USER = "svc-worker"
PASSWORD = "canary-5d41402abc4b"  # found wherever it should not be
NEW_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")


@dataclass(frozen=True)
class Certificates:
    """A CA, broker certificates for 127.0.0.1 and localhost (one has expired), a worker's (and one that has expired),
    and a CA nobody knows."""

    folder: Path

    @classmethod
    def make(cls, folder: Path) -> Certificates:
        made = cls(folder)
        for authority in ("ca", "stranger"):
            made._openssl(
                *["req", "-x509", *NEW_KEY, "-days", "2", "-subj", f"/CN={authority}"],
                *["-keyout", f"{authority}.key", "-out", f"{authority}.pem"],
            )
        made._issue("broker", "DNS:localhost,IP:127.0.0.1")
        made._issue("elsewhere", "DNS:kafka.example.org")
        made._issue("worker", "DNS:worker")
        made._issue("old-broker", "DNS:localhost,IP:127.0.0.1", days=-1)
        made._issue("old-worker", "DNS:worker", days=-1)
        return made

    def file(self, name: str) -> Path:
        return self.folder / name

    def bundle(self, name: str) -> Path:
        """Key, certificate and authority in one file, as the broker wants them."""
        target = self.file(f"{name}.bundle.pem")
        parts = [self.file(f"{name}.key"), self.file(f"{name}.pem"), self.file("ca.pem")]
        target.write_text("".join(part.read_text() for part in parts))
        return target

    def _issue(self, name: str, alternative_names: str, *, days: int = 2) -> None:
        self._openssl(
            *["req", *NEW_KEY, "-subj", f"/CN={name}"],
            *["-keyout", f"{name}.raw", "-out", f"{name}.csr"],
        )
        extensions = self.file(f"{name}.ext")
        extensions.write_text(f"subjectAltName={alternative_names}\nextendedKeyUsage=serverAuth,clientAuth\n")
        self._openssl(
            *["x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial"],
            *["-days", str(days), "-extfile", extensions.name, "-out", f"{name}.pem"],
        )
        # the broker reads PKCS 8 only
        self._openssl("pkcs8", "-topk8", "-nocrypt", "-in", f"{name}.raw", "-out", f"{name}.key")

    def _openssl(self, *arguments: str) -> None:
        program = shutil.which("openssl")
        if program is None:
            unmet("openssl is not installed")
        subprocess.run([program, *arguments], cwd=self.folder, check=True, capture_output=True)


@dataclass(frozen=True)
class SecureBroker:
    """PLAINTEXT is for the tests' own administration; SCRAM and MTLS are what a worker may use.

    ELSEWHERE shows a certificate for another host, EXPIRED one that has expired.
    """

    broker: JvmBroker
    certificates: Certificates

    @classmethod
    @contextmanager
    def started(cls, folder: Path) -> Iterator[SecureBroker]:
        certificates = Certificates.make(folder)
        properties = {
            "sasl.enabled.mechanisms": "SCRAM-SHA-512",
            "listener.name.scram.scram-sha-512.sasl.jaas.config": (
                "org.apache.kafka.common.security.scram.ScramLoginModule required;"
            ),
            "ssl.keystore.type": "PEM",
            "ssl.keystore.location": str(certificates.bundle("broker")),
            "ssl.truststore.type": "PEM",
            "ssl.truststore.location": str(certificates.file("ca.pem")),
            "listener.name.scram.ssl.client.auth": "none",
            "listener.name.mtls.ssl.client.auth": "required",
            "listener.name.elsewhere.ssl.keystore.type": "PEM",
            "listener.name.elsewhere.ssl.keystore.location": str(certificates.bundle("elsewhere")),
            "listener.name.expired.ssl.keystore.type": "PEM",
            "listener.name.expired.ssl.keystore.location": str(certificates.bundle("old-broker")),
            "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            "super.users": "User:ANONYMOUS",
        }
        listeners = {"SCRAM": "SASL_SSL", "MTLS": "SSL", "ELSEWHERE": "SSL", "EXPIRED": "SSL"}
        with start_jvm_broker(listeners=listeners, properties=properties, scram_users={USER: PASSWORD}) as broker:
            yield cls(broker, certificates)

    def scram(self, listener: str = "SCRAM", **changes: Any) -> Connection:
        """With user name and password over TLS; `changes` go into the `Security`."""
        security = Security(
            protocol="SASL_SSL",
            sasl_mechanism="SCRAM-SHA-512",
            username=USER,
            password=PASSWORD,
            ca_file=self.certificates.file("ca.pem"),
        )
        return self._connection(listener, replace(security, **changes))

    def mtls(self, listener: str = "MTLS", **changes: Any) -> Connection:
        """With a client certificate; `changes` go into the `Security`."""
        security = Security(
            protocol="SSL",
            ca_file=self.certificates.file("ca.pem"),
            cert_file=self.certificates.file("worker.pem"),
            key_file=self.certificates.file("worker.key"),
        )
        return self._connection(listener, replace(security, **changes))

    def plaintext(self, listener: str = "PLAINTEXT") -> Connection:
        return self._connection(listener, Security())

    def _connection(self, listener: str, security: Security) -> Connection:
        return Connection((self.broker.addresses(listener),), security)

    def allow(
        self,
        operations: Sequence[ACLOperation],
        kind: ResourceType,
        name: str,
        *,
        principal: str = f"User:{USER}",
        prefixed: bool = False,
    ) -> None:
        """Grant the operations on a topic, group or transactional id."""
        with self._admin() as admin:
            admin.create_acls(_acls(operations, kind, name, principal=principal, prefixed=prefixed))

    def withdraw(self, operations: Sequence[ACLOperation], kind: ResourceType, name: str) -> None:
        """Undo `allow` for the user."""
        acls = _acls(operations, kind, name, principal=f"User:{USER}", prefixed=False)
        with self._admin() as admin:
            admin.delete_acls(acls)

    @contextmanager
    def _admin(self) -> Iterator[Any]:
        admin = KafkaAdminClient(bootstrap_servers=self.broker.bootstrap_servers)
        try:
            yield admin
        finally:
            admin.close()


def _acls(
    operations: Sequence[ACLOperation], kind: ResourceType, name: str, *, principal: str, prefixed: bool
) -> list[ACL]:
    pattern = PatternType.PREFIXED if prefixed else PatternType.LITERAL
    return [
        ACL(
            principal=principal,
            host="*",
            operation=operation,
            permission_type=ACLPermissionType.ALLOW,
            resource_pattern=ResourcePattern(kind, name, pattern),
        )
        for operation in operations
    ]
