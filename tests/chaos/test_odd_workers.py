"""Single workers in trouble that is theirs alone: slow, hanging, dying, fenced, without topics or a log."""

from __future__ import annotations

from concurrent.futures import Future

import pytest

from tests.chaos.trials import BUSY_WAVE, Trial
from worker.kafka.consumer import ConsumerSettings

pytestmark = [pytest.mark.broker, pytest.mark.timeout(400)]

Trials = dict[str, Future[Trial]]


@pytest.mark.parametrize("name", ["zombie", "zombie, confluent-kafka"])
def test_a_zombie_publishes_nothing(trials: Trials, name: str) -> None:
    """Stopped just before it publishes, it wakes up after its heir has done the work, and is fenced."""
    trial = trials[name].result()

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
    assert 0 < int(str(trial.noted["left"])) < 2_000
    assert trial.verdict is not None
    assert trial.verdict.exactly_once, trial.verdict


@pytest.mark.parametrize("name", ["new partitions", "new partitions, confluent-kafka"])
def test_partitions_added_while_running_are_picked_up(trials: Trials, name: str) -> None:
    """Within the age that the client's metadata may have, from their beginning."""
    trial = trials[name].result()

    assert trial.code == 0, trial.log
    assert trial.verdict is not None
    assert trial.verdict.sent == 80
    assert trial.verdict.exactly_once, trial.verdict


@pytest.mark.parametrize("kind", ["cooperative", "eager"])
def test_a_rebalance_costs_no_more_than_what_is_in_hand(trials: Trials, kind: str) -> None:
    """A wave published, one in the model, one waiting, one gathered, and the poll that overflowed it: then once."""
    trial = trials[f"busy {kind} rebalances"].result()

    assert trial.code == 0, trial.log
    redone = trial.noted["redone"]
    assert isinstance(redone, list)
    assert max(redone, default=0) <= 4 * BUSY_WAVE + ConsumerSettings(("t",), "g").max_poll_records
    assert trial.verdict is not None
    assert trial.verdict.exactly_once, trial.verdict


@pytest.mark.parametrize("client", ["", ", confluent-kafka"])
@pytest.mark.parametrize("role", ["input", "output"])
def test_a_deleted_topic_ends_the_worker_with_one_line(trials: Trials, role: str, client: str) -> None:
    """Exit 1, and the line names the topic."""
    trial = trials[f"{role} topic deleted{client}"].result()

    lines = [line for line in trial.log.splitlines() if line.startswith("emostream: ")]
    assert trial.code == 1, trial.log[-3000:]
    assert len(lines) == 1
    assert getattr(trial.way, role) in lines[0]


def test_a_log_that_cannot_be_written_loses_its_lines_only(trials: Trials) -> None:
    """Every record has its outcome, and the exit code is 0."""
    trial = trials["nowhere to log"].result()

    assert trial.code == 0
    assert trial.verdict is not None
    assert trial.verdict.exactly_once, trial.verdict
