"""`python -m tests.integration.kafka.mutations`: take each mitigation of a client defect out, and see a test fail.

Works on a copy of the tree. For each mitigation its tests are run there twice, as it is and without it: they must pass
and at least one must fail. Minutes; a test of its own holds that every mutation still applies.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[3]
COPIED = ("worker", "schemas", "tests", "pyproject.toml")
DEFECTS = "tests/integration/kafka/test_client_defects.py"
EXACTLY_ONCE = "tests/integration/kafka/test_exactly_once.py"
CONTRACT = "tests/contract/test_kafka.py"
PATIENCE_S = 100


@dataclass(frozen=True)
class Mutation:
    """`defects`: the numbers of docs/reliability.md; in `path`, `old` becomes `new`, which takes a mitigation out."""

    defects: str
    what: str
    path: str
    old: str
    new: str
    tests: tuple[str, ...]
    also: tuple[str, str] | None = None
    """A second change, where two mitigations stand for each other."""

    def applied(self, text: str) -> str:
        """Raises ValueError unless there is exactly one place for each change."""
        for old, new in ((self.old, self.new), *([self.also] if self.also else [])):
            if text.count(old) != 1:
                raise ValueError(f"{self.defects}: {text.count(old)} places for it in {self.path}")
            text = text.replace(old, new)
        return text


MUTATIONS = (
    Mutation(
        "D1, D2",
        "the records' futures are not looked at",
        "worker/kafka/producer.py",
        "        if not future.succeeded():\n",
        "        if False:\n",
        (f"{DEFECTS}::TestTransactions::test_a_record_that_expires_fails_its_wave",),
    ),
    Mutation(
        "D3, D12",
        "a publication has no deadline",
        "worker/kafka/attempt.py",
        "                remaining_s = self._due - time.monotonic()\n",
        "                remaining_s = 5.0\n",
        (
            f"{DEFECTS}::TestTransactions::test_a_coordinator_that_dies_with_our_question",
            f"{DEFECTS}::TestTransactions::test_offsets_of_a_topic_that_is_gone_end_at_the_deadline",
        ),
    ),
    Mutation(
        "D4, D6, D7, D22",
        "a producer that failed aborts and is used again",
        "worker/kafka/publisher.py",
        "        self._producer = None\n        if attempt.producer is not None:\n"
        "            discard(attempt.producer)\n",
        "        self._producer = attempt.producer\n        try:\n            self._producer.abort_transaction()\n"
        "        except Exception:\n            pass\n        self._recover = lambda: None\n",
        (
            f"{DEFECTS}::TestTransactions::test_an_answer_that_comes_too_late_costs_one_producer",
            f"{DEFECTS}::TestTransactions::test_after_a_refused_record_the_next_transaction_is_clean",
            f"{CONTRACT}::TestKafkaPublishers::test_a_publication_after_a_refused_one_stands_alone",
        ),
    ),
    Mutation(
        "D5",
        "every producer has an id of its own",
        "worker/kafka/slots.py",
        "            return str(number)\n",
        "            return secrets.token_hex(6)\n",
        (f"{EXACTLY_ONCE}::test_a_killed_worker_leaves_nothing_behind",),
    ),
    Mutation(
        "D5, D21",
        "no new producer before the offsets are read",
        "worker/kafka/publisher.py",
        "        self._reopening = reopening_producer(",
        "        0 and reopening_producer(",
        (f"{DEFECTS}::TestTransactions::test_an_open_transaction_is_ended_by_the_next_producer",),
    ),
    Mutation(
        "D8",
        "short polls, and joins between them are lost (D28)",
        "worker/kafka/source.py",
        "            return JOINING_POLL_MS\n",
        "            return round(timeout_s * 1000)\n",
        (f"{DEFECTS}::TestMembership::test_impatient_polls_join_too",),
        also=("        keep_finished_join(consumer)\n", ""),
    ),
    Mutation(
        "D9",
        "the listener raises",
        "worker/kafka/consumer.py",
        "    def on_partitions_revoked(self, revoked: Any) -> None:  # noqa: ARG002 - the client's signature\n"
        "        self.raised = True\n",
        "    def on_partitions_revoked(self, revoked: Any) -> None:\n        raise RuntimeError\n",
        (f"{EXACTLY_ONCE}::test_members_come_and_go[range]",),
    ),
    Mutation(
        "D10",
        "positions are the client's",
        "worker/kafka/source.py",
        "                consumer.seek(partition, start.offset)\n",
        "                pass\n",
        (
            f"{CONTRACT}::TestKafkaSource::test_rewinding_goes_back_to_the_committed_offsets",
            f"{CONTRACT}::TestKafkaSource::test_two_members_share_the_partitions",
        ),
    ),
    Mutation(
        "D11",
        "the client's own back-off",
        "worker/kafka/producer.py",
        '            "retry_backoff_ms": 20,\n',
        "",
        (f"{DEFECTS}::TestTransactions::test_the_client_is_told_to_be_quick",),
    ),
    Mutation(
        "D17",
        "the client's own back-off",
        "worker/kafka/connection.py",
        '    "reconnect_backoff_max_ms": 1000,\n',
        "",
        (f"{DEFECTS}::TestTransactions::test_the_client_is_told_to_be_quick",),
    ),
    Mutation(
        "D12",
        "nobody looks whether the topics are there",
        "worker/kafka/refusal.py",
        "        if self._gone:\n",
        "        if False:\n",
        ("tests/integration/kafka/test_source.py::TestRefusedWhileRunning::test_a_deleted_topic",),
    ),
    Mutation(
        "D13",
        "a null value is a null value",
        "worker/kafka/producer.py",
        "            value=NOTHING if record.value is None else record.value,\n",
        "            value=record.value,\n",
        (f"{CONTRACT}::TestKafkaPublishers::test_whatever_was_read_can_be_dead_lettered[True]",),
    ),
    Mutation(
        "D14",
        "a null header is a null header",
        "worker/kafka/encoding.py",
        'b"" if value is None else value) for',
        "value) for",
        (f"{CONTRACT}::TestKafkaPublishers::test_whatever_was_read_can_be_dead_lettered[True]",),
    ),
    Mutation(
        "D15",
        "a topic that takes less now is not looked at again",
        "worker/kafka/publisher.py",
        "        self._settings = replace(self._settings, max_message_bytes=limit)\n",
        "",
        (f"{DEFECTS}::TestTransactions::test_after_a_refused_record_the_next_transaction_is_clean",),
    ),
    Mutation(
        "D16",
        "any generation that the client tells is believed",
        "worker/kafka/membership.py",
        "    if metadata.state != MemberState.STABLE or metadata.generation_id <= 0:\n",
        "    if metadata.generation_id <= 0:\n",
        (f"{DEFECTS}::TestMembership::test_nothing_is_handed_out_between_two_generations",),
    ),
    Mutation(
        "D18",
        "static membership",
        "worker/kafka/consumer.py",
        '        "group_id": settings.group_id,\n',
        '        "group_id": settings.group_id, "group_instance_id": "one",\n',
        (f"{DEFECTS}::TestMembership::test_no_static_membership",),
    ),
    Mutation(
        "D19",
        "closing waits for the client",
        "worker/kafka/source.py",
        "            leave(consumer).wait(timeout_s)\n",
        "            consumer.close(autocommit=False, timeout_ms=5000)\n",
        (f"{DEFECTS}::TestMembership::test_leaving_in_a_rebalance_blocks_nobody",),
    ),
    Mutation(
        "D20",
        "the client gives up connecting when it likes",
        "worker/kafka/startup.py",
        "    settings = admin_settings(connection, bootstrap_timeout_ms=None)\n",
        "    settings = admin_settings(connection, bootstrap_timeout_ms=1000)\n",
        ("tests/integration/kafka/test_startup.py::TestConnecting::test_a_broker_that_comes_late",),
    ),
    Mutation(
        "D21",
        "committed offsets are waited for",
        "worker/kafka/settling.py",
        "COMMITTED_TIMEOUT_MS = 300\n",
        "COMMITTED_TIMEOUT_MS = None\n",
        (f"{DEFECTS}::TestOffsets::test_an_offset_in_an_open_transaction_holds_up_its_partition_only",),
    ),
    Mutation(
        "D23",
        "parked records are left to the client",
        "worker/kafka/source.py",
        "        restore_parked_records(consumer)\n",
        "",
        (f"{DEFECTS}::TestReading::test_a_partition_paused_when_it_was_half_read_is_read_on",),
    ),
    Mutation(
        "D23",
        "nobody watches for partitions that stand still",
        "worker/kafka/source.py",
        "        return any(self._lost(consumer, partition) for partition in self._stuck.suspects(behind, now))\n",
        "        return False and behind\n",
        ("tests/integration/kafka/test_source.py::TestStuckPartition::test_a_new_consumer_reads_on",),
    ),
    Mutation(
        "D24",
        "an abandoned producer is closed as the client does it",
        "worker/kafka/client_defects.py",
        "        producer._sender.force_close()\n",
        "        pass\n",
        (f"{DEFECTS}::TestLettingGo::test_an_abandoned_producer_sends_nothing_more",),
    ),
    Mutation(
        "D25",
        "committed offsets are asked for once",
        "worker/kafka/settling.py",
        "        consumer.committed(partition, metadata=True, timeout_ms=COMMITTED_TIMEOUT_MS)\n        found",
        "        found",
        (f"{DEFECTS}::TestOffsets::test_a_late_answer_is_not_taken_for_a_new_one",),
    ),
    Mutation(
        "D26",
        "header names are read as the client does it",
        "worker/kafka/consumer.py",
        "    accept_any_header_name()\n",
        "",
        (f"{DEFECTS}::TestReading::test_header_names_that_are_not_utf8",),
    ),
    Mutation(
        "D27",
        "what a failed constructor leaves is left",
        "worker/kafka/opening.py",
        "    except BaseException:\n        network.close()\n",
        "    except BaseException:\n",
        (f"{DEFECTS}::TestLettingGo::test_a_client_that_cannot_be_made_leaves_no_thread",),
    ),
    Mutation(
        "D28",
        "joins that end between two polls are left to the client",
        "worker/kafka/source.py",
        "        keep_finished_join(consumer)\n",
        "",
        ("tests/integration/kafka/test_source.py::test_members_that_take_turns_still_come_together",),
    ),
    Mutation(
        "D29",
        "a join is under way, and nobody needs it",
        "worker/kafka/client_defects.py",
        "    coordinator.request_rejoin()\n",
        "",
        (f"{DEFECTS}::TestMembership::test_a_slow_join_for_new_partitions_is_finished",),
    ),
)


def main() -> int:
    """0 when every mitigation is missed by a test."""
    parser = argparse.ArgumentParser(prog="python -m tests.integration.kafka.mutations", description=__doc__)
    parser.add_argument("--only", action="append", metavar="D", help="a defect's number; may be repeated")
    parser.add_argument("--trust", action="store_true", help="leave out the run as it is")
    arguments = parser.parse_args()
    chosen = [each for each in MUTATIONS if not arguments.only or set(each.defects.split(", ")) & set(arguments.only)]
    with tempfile.TemporaryDirectory(prefix="emostream-mutations-") as folder:
        tree = _copied(Path(folder))
        if not arguments.trust:
            failed = _failing(tree, sorted({test for each in chosen for test in each.tests}))
            print(f"as it is: {', '.join(failed) or 'all pass'}", flush=True)
            if failed:
                return 1
        missed = [_missed(tree, each) for each in chosen]
    return int(not all(missed))


def _missed(tree: Path, mutation: Mutation) -> bool:
    """Whether its tests fail without it; prints a line."""
    path = tree / mutation.path
    text = path.read_text()
    path.write_text(mutation.applied(text))
    try:
        failed = _failing(tree, mutation.tests)
    finally:
        path.write_text(text)
    names = ", ".join(test.rpartition("::")[2] for test in failed)
    of = f"{len(failed)} of {len(mutation.tests)} fail"
    print(f"{mutation.defects:16} {mutation.what:55} {of}: {names or 'NOT MISSED'}", flush=True)
    return bool(failed)


def _copied(folder: Path) -> Path:
    for name in COPIED:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, folder / name)
    return folder


def _failing(tree: Path, tests: Sequence[str]) -> list[str]:
    """Which of the tests fail, run in the tree."""
    options = ["-q", "-p", "no:cacheprovider", "--timeout", str(PATIENCE_S), "--tb", "no", "-rfE"]
    command = [sys.executable, "-m", "pytest", *options, *tests]
    environment = {**os.environ, "PYTHONPATH": str(tree), "PYTHONDONTWRITEBYTECODE": "1"}
    ended = subprocess.run(command, cwd=tree, env=environment, capture_output=True, text=True, check=False)
    if ended.returncode not in (0, 1):
        return _hung(ended, tests)
    lines = [line.split() for line in ended.stdout.splitlines() if line.startswith(("FAILED ", "ERROR "))]
    return sorted({line[1] for line in lines})


def _hung(ended: subprocess.CompletedProcess[str], tests: Sequence[str]) -> list[str]:
    """A test that hangs where no exception reaches it ends the whole run: with one test it is known which."""
    if "Timeout" in ended.stdout + ended.stderr and len(tests) == 1:
        return list(tests)
    raise RuntimeError(f"pytest ended with {ended.returncode}:\n{ended.stdout[-2000:]}{ended.stderr[-2000:]}")


if __name__ == "__main__":
    sys.exit(main())
