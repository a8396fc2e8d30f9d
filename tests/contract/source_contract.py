"""What every `Source` does, whether it is Kafka or a fake. Subclasses bring the fixture `harness`."""

from __future__ import annotations

from dataclasses import replace

from tests.contract.kafka_harness import (
    PARTITIONS,
    POLL_S,
    Harness,
    Written,
    background,
    gather,
    in_order,
    numbered,
    publication,
    quiet,
    share,
    turned,
    until,
    values,
)
from worker.records import TopicPartition


class SourceContract:
    """One suite for all; `harness` gives a fresh group and fresh topics to every test."""

    def test_nothing_is_handed_out_before_the_first_rewind(self, harness: Harness) -> None:
        """A new member reports that partitions moved, and holds everything until it is told to rewind."""
        harness.write(numbered(4))
        source = harness.source()

        until(lambda: source.poll(timeout_s=POLL_S).rebalanced)
        held = quiet(source)

        assert [] == held
        assert {TopicPartition(harness.topic, n) for n in range(PARTITIONS)} == source.assignment()

    def test_a_member_knows_that_it_has_joined(self, harness: Harness) -> None:
        """It has not before the group has taken it in, and with all partitions it has."""
        source = harness.source()

        before = source.joined()
        until(lambda: turned(source) and source.joined())

        assert not before
        assert {TopicPartition(harness.topic, n) for n in range(PARTITIONS)} == source.assignment()

    def test_records_come_as_they_were_written(self, harness: Harness) -> None:
        """Bytes, nulls and headers are untouched, offsets rise within a partition, all under one membership."""
        written = [
            Written(b"one", key=b"\xff\x00", headers=(("h", b"1"), ("h", b"2"))),
            Written(None, key=b"tombstone"),
            Written(b"", key=b""),
            Written(b"\xf0\x9f\x98\x80", headers=(("empty", b""), ("null", None))),
        ]
        harness.write(written)
        source = harness.source()

        records, membership = gather(source, len(written))

        assert [(each.key, each.value, each.headers) for each in written] == [
            (record.key, record.value, record.headers) for record in records
        ]
        assert list(range(len(written))) == [record.offset for record in records]
        assert membership.generation > 0
        assert membership.member_id

    def test_every_record_once_and_in_order(self, harness: Harness) -> None:
        """Between two rewinds no record is left out or repeated, and each partition keeps its order."""
        harness.write(numbered(1500))
        source = harness.source()

        records, _ = gather(source, 1500)

        assert list(range(1500)) == values(records)
        assert in_order(records)
        assert [] == quiet(source)

    def test_pausing_stops_delivery_only(self, harness: Harness) -> None:
        """A paused source hands out nothing and stays a member; resumed, it goes on where it was."""
        harness.write(numbered(10))
        source = harness.source()
        first, _ = gather(source, 10)
        source.pause()
        source.pause()
        harness.write(numbered(10, start=10))

        while_paused = quiet(source)
        source.resume()
        source.resume()
        rest, _ = gather(source, 10)

        assert [] == while_paused
        assert list(range(20)) == values(first + rest)

    def test_pausing_in_the_middle_loses_nothing(self, harness: Harness) -> None:
        """Pausing again and again between partly read partitions leaves out no record."""
        harness.write(numbered(2000))
        source = harness.source()
        records, _ = gather(source, 1)

        def turn() -> bool:
            source.pause()
            turned(source)
            source.resume()
            records.extend(source.poll(timeout_s=POLL_S).records)
            return len(records) >= 2000

        until(turn)

        assert list(range(2000)) == values(records)

    def test_rewinding_goes_back_to_the_committed_offsets(self, harness: Harness) -> None:
        """What was handed out and not committed comes again, what was committed does not."""
        harness.write(numbered(10))
        source = harness.source(commits=True)
        records, membership = gather(source, 10)
        done = [record for record in records if record.partition == 0]
        source.acknowledge(publication(done, membership))

        source.rewind()
        again, _ = gather(source, 5)

        assert [n for n in range(10) if n % PARTITIONS] == values(again)
        assert [] == quiet(source)

    def test_rewinding_while_paused_keeps_the_pause(self, harness: Harness) -> None:
        """Back-pressure outlives a rewind."""
        harness.write(numbered(4))
        source = harness.source()
        gather(source, 4)
        source.pause()

        source.rewind()
        while_paused = quiet(source)
        source.resume()
        again, _ = gather(source, 4)

        assert [] == while_paused
        assert list(range(4)) == values(again)

    def test_acknowledging_commits_at_least_once(self, harness: Harness) -> None:
        """In at-least-once the offsets of an acknowledged publication are the group's."""
        harness.write(numbered(6))
        source = harness.source(commits=True)
        records, membership = gather(source, 6)

        source.acknowledge(publication(records, membership))

        assert {0: 3, 1: 3} == harness.committed()

    def test_notes_come_back_with_the_offsets(self, harness: Harness) -> None:
        """What was committed with an offset is told to whoever goes on there, and nothing where there was none."""
        harness.write(numbered(6))
        first = harness.source(commits=True)
        records, membership = gather(first, 6)
        mine = [record for record in records if record.partition == 0]
        first.acknowledge(replace(publication(mine, membership), note="dead-letters=1/3"))
        first.close(timeout_s=5)
        harness.write(numbered(2, start=6))

        second = harness.source(commits=True)
        gather(second, 5)

        assert {TopicPartition(harness.topic, 0): "dead-letters=1/3", TopicPartition(harness.topic, 1): ""} == dict(
            second.notes()
        )

    def test_acknowledging_commits_nothing_exactly_once(self, harness: Harness) -> None:
        """In exactly-once the transaction commits, not the source."""
        harness.write(numbered(6))
        source = harness.source(commits=False)
        records, membership = gather(source, 6)

        source.acknowledge(publication(records, membership))

        assert {} == harness.committed()

    def test_stale_acknowledgements_move_nothing_back(self, harness: Harness) -> None:
        """A publication of an earlier membership cannot commit any more: its partitions may be another's by now."""
        harness.write(numbered(6))
        source = harness.source(commits=True)
        records, membership = gather(source, 6)
        with background(harness.source(commits=True)):
            until(lambda: source.poll(timeout_s=POLL_S).rebalanced)

        source.acknowledge(publication(records, membership))

        assert {} == harness.committed()

    def test_two_members_share_the_partitions(self, harness: Harness) -> None:
        """When another member joins, the first is told, and together they own each partition once."""
        harness.write(numbered(10))
        first = harness.source()
        gather(first, 10)
        second = harness.source()
        everything = {TopicPartition(harness.topic, n) for n in range(PARTITIONS)}

        share(first, second)
        first.rewind()
        with background(second):
            mine, _ = gather(first, 5)

        assert everything == first.assignment() | second.assignment()
        assert {partition.partition for partition in first.assignment()} == {record.partition for record in mine}

    def test_a_member_that_leaves_is_replaced(self, harness: Harness) -> None:
        """Partitions of a closed member go on at their committed offsets with the one that is left."""
        harness.write(numbered(10))
        first = harness.source(commits=True)
        records, membership = gather(first, 10)
        first.acknowledge(publication([record for record in records if record.partition == 1], membership))

        first.close(timeout_s=10)
        second = harness.source()
        rest, _ = gather(second, 5)

        assert [n for n in range(10) if n % PARTITIONS == 0] == values(rest)
        assert [] == quiet(second)

    def test_a_new_group_may_start_at_the_end(self, harness: Harness) -> None:
        """Started at the latest, only what is written afterwards is read, and the start is committed at once."""
        harness.write(numbered(10))
        source = harness.source(latest=True)

        until(lambda: turned(source) and len(harness.committed()) == PARTITIONS)
        harness.write(numbered(4, start=10))
        read, _ = gather(source, 4)

        assert [10, 11, 12, 13] == values(read)
        assert {0: 5, 1: 5} == harness.committed()

    def test_lag_and_ends(self, harness: Harness) -> None:
        """The ends are the log's; the lag counts what was not handed out yet."""
        harness.write(numbered(10))
        source = harness.source()
        gather(source, 10)
        partitions = [TopicPartition(harness.topic, n) for n in range(PARTITIONS)]

        ends = source.end_offsets()
        until(lambda: turned(source) and source.lag() == dict.fromkeys(partitions, 0))

        assert dict.fromkeys(partitions, 5) == ends

    def test_caught_up_when_everything_is_committed(self, harness: Harness) -> None:
        """Only once the group has committed all partitions to the given ends."""
        harness.write(numbered(10))
        source = harness.source(commits=True)
        records, membership = gather(source, 10)
        ends = source.end_offsets()

        before = source.caught_up(ends)
        source.acknowledge(publication(records[:-1], membership))
        almost = source.caught_up(ends)
        source.acknowledge(publication(records, membership))

        assert not before
        assert not almost
        until(lambda: turned(source) and source.caught_up(ends))

    def test_caught_up_at_once_when_there_is_nothing(self, harness: Harness) -> None:
        """An empty topic is caught up as soon as it is known to be empty."""
        source = harness.source()

        until(lambda: turned(source) and source.caught_up(source.end_offsets()))

    def test_another_member_counts_for_caught_up(self, harness: Harness) -> None:
        """What other members own is caught up when they have committed it."""
        harness.write(numbered(10))
        first, second = harness.source(commits=True), harness.source(commits=True)
        share(first, second)
        ends = first.end_offsets()
        for source, other in ((first, second), (second, first)):
            source.rewind()
            with background(other):
                records, membership = gather(source, 5)
                source.acknowledge(publication(records, membership))

        with background(second):
            until(lambda: turned(first) and first.caught_up(ends))

    def test_closing_is_harmless(self, harness: Harness) -> None:
        """Before the first poll, after it, and twice."""
        unused, used = harness.source(), harness.source()
        turned(used)

        for source in (unused, used, used):
            source.close(timeout_s=10)
