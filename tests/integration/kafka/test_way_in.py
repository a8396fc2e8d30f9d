"""`emostream run` over TLS with logins, certificates and permissions: right works, wrong is one line."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from kafka.admin import ACLOperation as Operation
from kafka.admin import ResourceType

from tests.chaos.proxy import Address, Proxy, Route
from tests.conftest import fresh
from tests.e2e.dead_letter_topic import bury, come_back, dlq, letter
from tests.e2e.processes import Way, Worker, worker
from tests.integration.kafka.secure import PASSWORD, USER, SecureBroker
from tests.kafka_io import ToSend, produce
from worker.devbroker.ports import free_ports
from worker.devbroker.topics import create_topics

pytestmark = pytest.mark.broker

SCRAM_USER = f"User:{USER}"
CERTIFICATE_USER = "User:CN=worker"
WITHOUT_A_MODEL = ("tests.chaos.odd_worker", "--forward-s", "0")
RECORDS = 200
DEAD = 5


@dataclass(frozen=True)
class SecuredWay:
    """Topics and a group of one test on the broker with permissions; `grant` gives what docs/operating.md asks for."""

    broker: SecureBroker
    way: Way

    @classmethod
    def made(cls, broker: SecureBroker) -> SecuredWay:
        names = {name: fresh(name) for name in ("input", "output", "review", "dead_letter")}
        create_topics(broker.broker.bootstrap_servers, dict.fromkeys(names.values(), 2))
        return cls(broker, Way(broker.broker.bootstrap_servers, fresh("group"), **names))

    def grant(self, principal: str, *, all_but: str = "") -> None:
        reading, writing = [Operation.READ, Operation.DESCRIBE], [Operation.WRITE, Operation.DESCRIBE]
        wanted = {
            "input": (reading, ResourceType.TOPIC, self.way.input, False),
            "output": (writing, ResourceType.TOPIC, self.way.output, False),
            "review": (writing, ResourceType.TOPIC, self.way.review, False),
            "dead letter": (writing, ResourceType.TOPIC, self.way.dead_letter, False),
            "group": ([Operation.READ], ResourceType.GROUP, self.way.group_id, False),
            "transactional id": (writing, ResourceType.TRANSACTIONAL_ID, f"emostream-{self.way.group_id}-", True),
        }
        for name, (operations, kind, resource, prefixed) in wanted.items():
            if name != all_but:
                self.broker.allow(operations, kind, resource, principal=principal, prefixed=prefixed)

    def config(self, folder: Path, security: dict[str, object], *, servers: str, **sections: dict[str, object]) -> Path:
        return self.way.config(folder, kafka={"bootstrap_servers": servers, "security": security}, **sections)

    def send(self) -> list[str]:
        """The identities that must come out."""
        values = [json.dumps({"text": f"i feel happy {n}"}).encode() for n in range(RECORDS - DEAD)] + [b"{"] * DEAD
        places = produce(self.way.bootstrap_servers, self.way.input, [ToSend(value) for value in values])
        return sorted(f"{self.way.input}/{partition}/{offset}" for partition, offset in places)


@pytest.fixture
def secured(secure_broker: SecureBroker) -> SecuredWay:
    return SecuredWay.made(secure_broker)


def scram(broker: SecureBroker, folder: Path, **changes: object) -> dict[str, object]:
    password = folder / "password"
    password.write_text(PASSWORD + "\n")
    return {
        "protocol": "SASL_SSL",
        "sasl_mechanism": "SCRAM-SHA-512",
        "username": USER,
        "password_file": str(password),
        "ca_file": str(broker.certificates.file("ca.pem")),
        **changes,
    }


def mtls(broker: SecureBroker, _: Path, **changes: object) -> dict[str, object]:
    files = {"ca_file": "ca.pem", "cert_file": "worker.pem", "key_file": "worker.key"}
    return {
        "protocol": "SSL",
        **{name: str(broker.certificates.file(file)) for name, file in files.items()},
        **changes,
    }


@pytest.mark.parametrize(
    ("listener", "security", "principal"), [("SCRAM", scram, SCRAM_USER), ("MTLS", mtls, CERTIFICATE_USER)]
)
def test_a_whole_run(
    listener: str,
    security: Callable[[SecureBroker, Path], dict[str, object]],
    principal: str,
    secured: SecuredWay,
    tmp_path: Path,
) -> None:
    """With exactly the permissions that are documented: every record has one outcome, all offsets are committed; the
    password is nowhere, at the most talkative level."""
    secured.grant(principal)
    expected = secured.send()
    (port,) = free_ports(1)
    config = secured.config(
        tmp_path,
        security(secured.broker, tmp_path),
        servers=secured.broker.broker.addresses(listener),
        server={"host": "127.0.0.1", "port": port},
        logging={"level": "debug", "format": "json"},
    )

    with worker(config) as running:
        running.wait_for("wave.published")
        metrics = read(f"http://127.0.0.1:{port}/metrics")
        running.process.send_signal(signal.SIGTERM)
        running.wait()
    with worker(config, "--until-caught-up") as rest:
        code = rest.wait()

    assert code == 0, rest.log()
    outcomes = secured.way.outcomes()
    assert expected == sorted(outcomes.ids())
    assert DEAD == len(outcomes.dead_letter)
    assert secured.way.committed_to_the_end()
    assert "emostream_outcomes_total" in metrics
    assert PASSWORD not in running.log() + rest.log() + metrics + shown(config)


@dataclass(frozen=True)
class Refusal:
    """How the worker comes to the broker, and what it must say."""

    listener: str
    security: Callable[[SecureBroker, Path], dict[str, object]]
    says: str


REFUSALS = {
    "wrong password": Refusal(
        "SCRAM",
        lambda broker, folder: scram(broker, folder, password_file=str(wrong_password(folder))),
        f"the broker refuses the credentials of {USER}",
    ),
    "unknown authority": Refusal(
        "SCRAM",
        lambda broker, folder: scram(broker, folder, ca_file=str(broker.certificates.file("stranger.pem"))),
        "set kafka.security.ca_file to that authority",
    ),
    "expired certificate": Refusal("EXPIRED", mtls, "the broker's certificate has expired"),
    "wrong host name": Refusal("ELSEWHERE", mtls, "the broker's certificate is for another host"),
    "our certificate is expired": Refusal(
        "MTLS",
        lambda broker, folder: mtls(
            broker,
            folder,
            cert_file=str(broker.certificates.file("old-worker.pem")),
            key_file=str(broker.certificates.file("old-worker.key")),
        ),
        "our certificate, or it has expired",
    ),
}


@pytest.mark.parametrize("refusal", REFUSALS.values(), ids=REFUSALS.keys())
def test_a_way_in_that_is_refused(refusal: Refusal, secured: SecuredWay, tmp_path: Path) -> None:
    """Exit 1 and one line that says what to change, after a handful of connections, without the password."""
    with counted(secured.broker.broker.addresses(refusal.listener)) as (servers, connections):
        config = secured.config(tmp_path, refusal.security(secured.broker, tmp_path), servers=servers)
        with worker(config, program=WITHOUT_A_MODEL) as running:
            code = running.wait()

    assert code == 1, running.log()
    assert refusal.says in only_line(running)
    assert 1 <= connections() <= 12
    assert PASSWORD not in running.log()


PERMISSIONS = {
    "input": "no permission on, or no such topics: {input}: grant Describe with Read (input)",
    "output": "no permission on, or no such topics: {output}: grant Describe with Read (input) or Write",
    "review": "no permission on, or no such topics: {review}: grant Describe with Read (input) or Write",
    "dead letter": "no permission on, or no such topics: {dead_letter}: grant Describe with Read (input) or Write",
    "group": "no permission on the consumer group {group_id}: grant Read on it",
    "transactional id": "no permission on the transactional id emostream-{group_id}-",
}


@pytest.mark.parametrize(("missing", "says"), PERMISSIONS.items())
def test_a_permission_that_is_missing(missing: str, says: str, secured: SecuredWay, tmp_path: Path) -> None:
    """Each of them alone: exit 1 and one line that names the resource and what to grant."""
    secured.grant(SCRAM_USER, all_but=missing)
    config = secured.config(tmp_path, scram(secured.broker, tmp_path), servers=secured.broker.broker.addresses("SCRAM"))

    with worker(config, program=WITHOUT_A_MODEL) as running:
        code = running.wait()

    assert code == 1, running.log()
    assert says.format(**vars(secured.way)) in only_line(running)


def only_line(running: Worker) -> str:
    """What it said as its reason; the broker was not complained about over and over."""
    lines = running.log().splitlines()
    (reason,) = [line for line in lines if line.startswith("emostream: ")]
    assert len(lines) <= 6, running.log()
    return reason


def wrong_password(folder: Path) -> Path:
    path = folder / "wrong"
    path.write_text(PASSWORD[::-1])
    return path


def read(url: str) -> str:
    with urllib.request.urlopen(url, timeout=10) as answer:
        found: str = answer.read().decode()
        return found


def shown(config: Path) -> str:
    """What `config show` and a configuration with a mistake print."""
    command = [sys.executable, "-m", "worker", "config"]
    broken = config.with_name("broken.yaml")
    broken.write_text(config.read_text() + f"\nnonsense: {{password: {PASSWORD}}}\n")
    runs = [
        subprocess.run([*command, *arguments], capture_output=True, text=True, check=False, timeout=60)
        for arguments in (("show", str(config)), ("check", str(broken)))
    ]
    assert [0, 2] == [run.returncode for run in runs], runs
    return "".join(run.stdout + run.stderr for run in runs)


class CountedRoute(Route):
    """Knows how many connections there were."""

    connections = 0

    async def _accept(self, *streams: object) -> None:
        self.connections += 1
        await super()._accept(*streams)  # type: ignore[arg-type]


@contextmanager
def counted(address: str) -> Iterator[tuple[str, Callable[[], int]]]:
    """Another address of the broker, and how often it was connected to."""
    (port,) = free_ports(1)
    listens: Address = ("127.0.0.1", port)
    leads_to: Address = ("127.0.0.1", int(address.rpartition(":")[2]))
    proxy = Proxy({1: (listens, leads_to)})
    route = CountedRoute(listens, leads_to, proxy._loop)
    proxy.routes[1] = route
    with proxy:
        yield f"127.0.0.1:{port}", lambda: route.connections


def test_dead_letters_with_the_documented_permissions(secured: SecuredWay, tmp_path: Path) -> None:
    """Listing needs the dead-letter topic only; sending back needs what docs/operating.md says, and no more."""
    way, broker = secured.way, secured.broker
    bury(way, [letter(way, number) for number in range(10)])
    config = secured.config(tmp_path, scram(broker, tmp_path), servers=broker.broker.addresses("SCRAM"))
    replay_group = f"{way.group_id}-dlq-replay"
    broker.allow([Operation.READ, Operation.DESCRIBE], ResourceType.TOPIC, way.dead_letter)

    listed = dlq(config, "list", "--format", "json")
    refused = dlq(config, "replay", "--execute")
    broker.allow([Operation.WRITE, Operation.DESCRIBE], ResourceType.TOPIC, way.input)
    broker.allow([Operation.READ], ResourceType.GROUP, replay_group)
    rehearsed = dlq(config, "replay")
    broker.allow(
        [Operation.WRITE, Operation.DESCRIBE],
        ResourceType.TRANSACTIONAL_ID,
        f"emostream-{replay_group}",
        prefixed=False,
    )
    sent = dlq(config, "replay", "--execute")

    said = [each.stdout + each.stderr for each in (listed, refused, rehearsed, sent)]
    assert [0, 1, 0, 0] == [each.returncode for each in (listed, refused, rehearsed, sent)], said
    assert 10 == len(listed.stdout.splitlines())
    assert f"no permission on, or no such topics: {way.input}" in refused.stderr
    assert "10 sent back" in sent.stdout
    assert 10 == len(come_back(way))
    assert PASSWORD not in "".join(said)
