"""Single workers in trouble that is theirs alone, each in a group of its own, on one broker that stays well.

A trial takes most of its time waiting, so that all of them can be under way at once (see conftest).
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import yaml
from confluent_kafka.admin import AdminClient, NewPartitions

from tests.chaos.checker import Verdict, judge
from tests.chaos.fleet import Fleet, WorkerProcess
from tests.chaos.traffic import holds, inputs, outcomes
from tests.conftest import Topics, fresh
from tests.e2e.processes import Way
from tests.kafka_io import ToSend, produce
from worker.devbroker.jvm import JvmBroker
from worker.devbroker.ports import free_ports
from worker.devbroker.topics import delete_topics

MAX_POLL_INTERVAL_S = 30
BUSY_WAVE = 100
BUSY_CHANGES = 4
CONFLUENT = "confluent-kafka"


@dataclass
class Trial:
    """What became of one odd worker."""

    way: Way
    log: str = ""
    code: int | None = None
    verdict: Verdict | None = None
    noted: dict[str, object] = field(default_factory=dict)

    def judged(self) -> Verdict:
        sent = inputs(self.way.bootstrap_servers, self.way.input)
        topics = (self.way.output, self.way.review, self.way.dead_letter)
        return judge(sent, outcomes(self.way.bootstrap_servers, topics))


@dataclass(frozen=True)
class Ground:
    """Where trials take place."""

    broker: JvmBroker
    folder: Path

    def way(self, records: int) -> Way:
        way = Way.made(Topics(self.broker.bootstrap_servers), fresh("group"))
        produce(way.bootstrap_servers, way.input, [ToSend(_text(each), partition=each % 4) for each in range(records)])
        return way

    def fleet(self, way: Way, *options: str, odd: bool = True, **changes: dict[str, object]) -> Fleet:
        folder = self.folder / fresh("worker")
        folder.mkdir()
        config = yaml.safe_load(way.config(folder, **changes).read_text())
        program = ("-m", "tests.chaos.odd_worker", *options) if odd else ("-m", "worker", "run")
        return Fleet(folder, config, program=program)


def _text(number: int) -> bytes:
    return json.dumps({"text": f"i feel fine {number}"}).encode()


def zombie(ground: Ground, *options: str, client: str = "kafka-python") -> Trial:
    """Stopped when it is about to publish, for longer than its session lasts; an heir does its work meanwhile."""
    trial = Trial(ground.way(400))
    changes: dict[str, dict[str, object]] = {"batch": {"max_messages": 50}, "kafka": {"client": client}}
    with (
        ground.fleet(trial.way, "--publish-pause-s", "4", *options, **changes) as stopped,
        ground.fleet(trial.way, odd=False, **changes) as heirs,
    ):
        worker = stopped.start()
        worker.wait_for("publish.waits", times=2)
        worker.wait_for("wave.published")
        worker.signal(signal.SIGSTOP)
        heir = heirs.start("--until-caught-up")
        trial.noted["heir"] = heir.wait(120)
        published = _count(worker, "wave.published")
        worker.signal(signal.SIGCONT)
        holds(lambda: _count(worker, "wave.published") > published or _count(worker, "wave.not_published") > 0, 20)
        trial.log = worker.log()
        worker.end(signal.SIGTERM)
        trial.code = worker.wait(40)
    trial.verdict = trial.judged()
    return trial


def long_forward_pass(ground: Ground, *, forward_s: float = MAX_POLL_INTERVAL_S + 8) -> Trial:
    """One wave in the model for longer than the group lets a member go without a poll."""
    trial = Trial(ground.way(1))
    server = {"port": None, "stall_timeout_s": forward_s + 60}
    with ground.fleet(trial.way, "--forward-s", str(forward_s), server=server) as fleet:
        worker = fleet.start("--until-caught-up")
        trial.code = worker.wait(forward_s + 90)
        trial.log = worker.log()
        trial.noted["rebalances"] = _count(worker, "group.assigned")
    trial.verdict = trial.judged()
    return trial


def hanging_backend(ground: Ground) -> Trial:
    """The third wave never comes back from the model."""
    trial = Trial(ground.way(200))
    (port,) = free_ports(1)
    server = {"host": "127.0.0.1", "port": port, "stall_timeout_s": 4.0}
    with ground.fleet(
        trial.way, "--forward-s", "0.1", "--hangs-after", "3", server=server, batch={"max_messages": 10}
    ) as fleet:
        worker = fleet.start()
        worker.wait_for("forward.begins", times=3)
        hangs = time.monotonic()
        trial.noted["livez"] = holds(lambda: _livez(port) == 503, 30)
        trial.noted["noticed_s"] = time.monotonic() - hangs
        trial.code = worker.wait(120)
        trial.noted["ended_s"] = time.monotonic() - hangs
        trial.log = worker.log()
    return _finished(ground, trial)


def dead_inference_thread(ground: Ground) -> Trial:
    """The thread that runs the model raises what nobody expects."""
    trial = Trial(ground.way(200))
    with ground.fleet(trial.way, "--forward-s", "0.01", "--dies-after", "3", batch={"max_messages": 10}) as fleet:
        worker = fleet.start()
        trial.code = worker.wait(120)
        trial.log = worker.log()
    return _finished(ground, trial)


def full_pipeline_at_sigterm(ground: Ground) -> Trial:
    """A wave is published, one is in the model and one is gathered when SIGTERM comes."""
    trial = Trial(ground.way(2_000))
    with ground.fleet(
        trial.way, "--forward-s", "1.0", "--publish-pause-s", "1.0", batch={"max_messages": 100}
    ) as fleet:
        worker = fleet.start()
        worker.wait_for("publish.waits", times=3)
        asked = time.monotonic()
        worker.end(signal.SIGTERM)
        trial.code = worker.wait(40)
        trial.noted["drained_s"] = time.monotonic() - asked
        trial.log = worker.log()
    trial.noted["left"] = len(trial.judged().lost)
    return _finished(ground, trial)


def new_partitions(ground: Ground, *, client: str = "kafka-python") -> Trial:
    """The input topic grows under a running worker."""
    trial = Trial(ground.way(40))
    way = trial.way
    with ground.fleet(way, odd=False, kafka={"client": client}) as fleet:
        worker = fleet.start()
        worker.wait_for("wave.published")
        admin = AdminClient({"bootstrap.servers": way.bootstrap_servers})
        admin.create_partitions([NewPartitions(way.input, 6)])[way.input].result(30)
        grown = time.monotonic()
        produce(way.bootstrap_servers, way.input, [ToSend(_text(each), partition=4 + each % 2) for each in range(40)])
        holds(lambda: not trial.judged().lost, 120, every_s=1)
        trial.noted["picked_up_s"] = time.monotonic() - grown
        worker.end(signal.SIGTERM)
        trial.code = worker.wait(40)
        trial.log = worker.log()
    trial.verdict = trial.judged()
    return trial


def busy_rebalances(ground: Ground, assignor: str) -> Trial:
    """A second worker joins and leaves, twice, while both have more to do than they can."""
    trial = Trial(ground.way(12_000))
    options = {"batch": {"max_messages": BUSY_WAVE}, "kafka": {"partition_assignor": assignor}}
    with ground.fleet(trial.way, "--forward-s", "1.0", **options) as fleet:
        first = fleet.start()
        first.wait_for("wave.published")
        for _ in range(BUSY_CHANGES // 2):
            other = fleet.start()
            other.wait_for("wave.published")
            other.end(signal.SIGTERM)
            other.wait(40)
        first.end(signal.SIGTERM)
        trial.code = first.wait(40)
        trial.log = first.log()
        redone = [event["records"] for event in fleet.events() if event["event"] == "wave.redone"]
    trial.noted["redone"] = redone
    trial.noted["a change"] = sum(redone) / BUSY_CHANGES
    return _finished(ground, trial)


def deleted_topic(ground: Ground, role: str, *, client: str = "kafka-python") -> Trial:
    """One of its topics is deleted under a running worker; records go on coming if it is an outgoing one."""
    trial = Trial(ground.way(40))
    way = trial.way
    with ground.fleet(way, odd=False, kafka={"client": client}) as fleet:
        worker = fleet.start()
        worker.wait_for("wave.published")
        delete_topics(way.bootstrap_servers, [getattr(way, role)])
        deleted = time.monotonic()
        while worker.running and time.monotonic() - deleted < 90:
            if role != "input":
                produce(way.bootstrap_servers, way.input, [ToSend(_text(1), partition=0)])
            time.sleep(0.5)
        trial.noted["ended_s"] = time.monotonic() - deleted
        trial.code = worker.process.poll()
        trial.log = worker.log()
    return trial


def nowhere_to_log(ground: Ground) -> Trial:
    """Standard output is closed, and standard error is on a disk that is full."""
    trial = Trial(ground.way(400))
    folder = ground.folder / fresh("worker")
    folder.mkdir()
    config = trial.way.config(folder, batch={"max_messages": 50})
    command = [sys.executable, "-m", "worker", "run", "--config", str(config), "--until-caught-up"]
    shell = ["sh", "-c", 'exec "$@" >&- 2>/dev/full', "sh", *command]
    trial.code = subprocess.run(shell, timeout=180, check=False).returncode
    trial.verdict = trial.judged()
    return trial


def _finished(ground: Ground, trial: Trial) -> Trial:
    """A worker as it should be does the rest."""
    with ground.fleet(trial.way, odd=False) as fleet:
        trial.noted["heir"] = fleet.start("--until-caught-up").wait(120)
    trial.verdict = trial.judged()
    return trial


def _count(worker: WorkerProcess, event: str) -> int:
    return worker.log().count(f'"{event}"')


def _livez(port: int) -> int | None:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/livez", timeout=2) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return None


TRIALS: dict[str, Callable[[Ground], Trial]] = {
    "long forward pass": long_forward_pass,
    "zombie": zombie,
    "wrong zombie": lambda ground: zombie(ground, "--reads-membership-again"),
    "busy cooperative rebalances": lambda ground: busy_rebalances(ground, "cooperative-sticky"),
    "busy eager rebalances": lambda ground: busy_rebalances(ground, "range"),
    "new partitions": new_partitions,
    "output topic deleted": lambda ground: deleted_topic(ground, "output"),
    "input topic deleted": lambda ground: deleted_topic(ground, "input"),
    "hanging backend": hanging_backend,
    "full pipeline at SIGTERM": full_pipeline_at_sigterm,
    "dead inference thread": dead_inference_thread,
    "nowhere to log": nowhere_to_log,
    "zombie, confluent-kafka": lambda ground: zombie(ground, client=CONFLUENT),
    "new partitions, confluent-kafka": lambda ground: new_partitions(ground, client=CONFLUENT),
    "output topic deleted, confluent-kafka": lambda ground: deleted_topic(ground, "output", client=CONFLUENT),
    "input topic deleted, confluent-kafka": lambda ground: deleted_topic(ground, "input", client=CONFLUENT),
}
"""Those that take longest come first."""
