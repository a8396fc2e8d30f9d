"""Workers with one part exchanged, each in a group of its own, all at once because most of the time is waiting."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import yaml

from tests.chaos.checker import Verdict, judge
from tests.chaos.fleet import Fleet, WorkerProcess
from tests.chaos.traffic import holds, inputs, outcomes
from tests.conftest import Topics, fresh
from tests.e2e.processes import Way
from tests.kafka_io import ToSend, produce
from worker.devbroker.jvm import JvmBroker
from worker.devbroker.ports import free_ports

pytestmark = [pytest.mark.broker, pytest.mark.timeout(300)]

SESSION_TIMEOUT_S = 10
MAX_POLL_INTERVAL_S = 30


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


def zombie(ground: Ground, *options: str) -> Trial:
    """Stopped when it is about to publish, for longer than its session lasts; an heir does its work meanwhile."""
    trial = Trial(ground.way(400))
    batch = {"max_messages": 50}
    with (
        ground.fleet(trial.way, "--publish-pause-s", "1", *options, batch=batch) as stopped,
        ground.fleet(trial.way, odd=False, batch=batch) as heirs,
    ):
        worker = stopped.start()
        worker.wait_for("publish.waits", times=3)
        worker.signal(signal.SIGSTOP)
        heir = heirs.start("--until-caught-up")
        trial.noted["heir"] = heir.process.wait(90)
        published = _count(worker, "wave.published")
        worker.signal(signal.SIGCONT)
        holds(lambda: _count(worker, "wave.published") > published or _count(worker, "wave.not_published") > 0, 20)
        trial.log = worker.log()
        worker.end(signal.SIGTERM)
        trial.code = worker.process.wait(40)
    trial.verdict = trial.judged()
    return trial


def long_forward_pass(ground: Ground) -> Trial:
    """One wave in the model for longer than the group lets a member go without a poll."""
    trial = Trial(ground.way(20))
    with ground.fleet(trial.way, "--forward-s", str(MAX_POLL_INTERVAL_S + 8)) as fleet:
        worker = fleet.start("--until-caught-up")
        trial.code = worker.process.wait(MAX_POLL_INTERVAL_S * 4)
        trial.log = worker.log()
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
        trial.code = worker.process.wait(60)
        trial.noted["ended_s"] = time.monotonic() - hangs
        trial.log = worker.log()
    return _finished(ground, trial)


def dead_inference_thread(ground: Ground) -> Trial:
    """The thread that runs the model raises what nobody expects."""
    trial = Trial(ground.way(200))
    with ground.fleet(trial.way, "--forward-s", "0.01", "--dies-after", "3", batch={"max_messages": 10}) as fleet:
        worker = fleet.start()
        trial.code = worker.process.wait(60)
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
        trial.code = worker.process.wait(40)
        trial.noted["drained_s"] = time.monotonic() - asked
        trial.log = worker.log()
    trial.noted["committed"] = len(trial.judged().lost)
    return _finished(ground, trial)


def _finished(ground: Ground, trial: Trial) -> Trial:
    """A worker as it should be does the rest."""
    with ground.fleet(trial.way, odd=False) as fleet:
        trial.noted["heir"] = fleet.start("--until-caught-up").process.wait(90)
    trial.verdict = trial.judged()
    return trial


def _count(worker: WorkerProcess, event: str) -> int:
    return worker.log().count(f'"{event}"')


def _livez(port: int) -> int | None:
    import urllib.error
    import urllib.request

    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/livez", timeout=2) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return None


TRIALS: dict[str, Callable[[Ground], Trial]] = {
    "zombie": zombie,
    "wrong zombie": lambda ground: zombie(ground, "--reads-membership-again"),
    "long forward pass": long_forward_pass,
    "hanging backend": hanging_backend,
    "dead inference thread": dead_inference_thread,
    "full pipeline at SIGTERM": full_pipeline_at_sigterm,
}


@pytest.fixture(scope="module")
def trials(jvm_broker: JvmBroker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Future[Trial]]]:
    """All of them under way; each test waits for its own."""
    ground = Ground(jvm_broker, tmp_path_factory.mktemp("odd"))
    with ThreadPoolExecutor(len(TRIALS)) as pool:
        yield {name: pool.submit(trial, ground) for name, trial in TRIALS.items()}


Trials = dict[str, Future[Trial]]


def test_a_zombie_publishes_nothing(trials: Trials) -> None:
    """Stopped just before it publishes, it wakes up after its heir has done the work, and is fenced."""
    trial = trials["zombie"].result()

    assert trial.noted["heir"] == 0
    assert '"wave.not_published"' in trial.log
    assert "given our partitions to another member" in trial.log
    assert trial.verdict is not None
    assert trial.verdict.exactly_once, trial.verdict
    assert trial.code == 0


def test_the_checker_catches_a_zombie_that_reads_the_membership_again(trials: Trials) -> None:
    """The same worker with one line wrong: the broker lets it pass, and the checker sees the duplicates."""
    trial = trials["wrong zombie"].result()

    assert trial.noted["heir"] == 0
    assert trial.verdict is not None
    assert trial.verdict.duplicated, trial.log[-3000:]


def test_a_forward_pass_longer_than_the_poll_interval_keeps_the_membership(trials: Trials) -> None:
    """The pump polls on while the model works: no rebalance, nothing redone."""
    trial = trials["long forward pass"].result()

    assert trial.code == 0, trial.log
    assert trial.verdict is not None
    assert trial.verdict.exactly_once
    assert '"wave.redone"' not in trial.log
    assert '"wave.not_published"' not in trial.log


def test_a_hanging_backend_fails_livez_says_where_once_and_ends_with_1(trials: Trials) -> None:
    """First the probe, then the stacks of all threads, then exit 1; a restart loses nothing."""
    trial = trials["hanging backend"].result()

    assert trial.noted["livez"]
    assert trial.code == 1
    assert trial.log.count("most recent call first") >= 2
    assert trial.log.count("in predict") == 1
    assert trial.log.count('"worker.stalled"') == 1
    assert trial.verdict is not None
    assert trial.verdict.exactly_once, trial.verdict


def test_a_dead_inference_thread_ends_the_worker(trials: Trials) -> None:
    """Exit 1 with one line; a restart loses nothing."""
    trial = trials["dead inference thread"].result()

    assert trial.code == 1
    assert "emostream: the inference thread died: MemoryError" in trial.log
    assert trial.verdict is not None
    assert trial.verdict.exactly_once, trial.verdict


def test_sigterm_with_a_full_pipeline_drains(trials: Trials) -> None:
    """All three waves in hand are finished and committed, nothing more is read, and the rest is left for others."""
    trial = trials["full pipeline at SIGTERM"].result()

    assert trial.code == 0, trial.log
    assert 0 < int(str(trial.noted["committed"])) < 2_000
    assert trial.verdict is not None
    assert trial.verdict.exactly_once, trial.verdict
