"""What every `Publisher` does, whether it is Kafka or a fake. Subclasses bring the fixture `harness`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from tests.contract.kafka_harness import (
    PARTITIONS,
    Harness,
    Written,
    background,
    gather,
    in_order,
    numbered,
    outcome,
    publication,
    share,
    turned,
    until,
    values,
)
from worker.errors import Fenced
from worker.ports import Source
from worker.records import Destination, Header, Membership, Outgoing, Publication, Record

Polled = tuple[list[Record], Membership]


class PublisherContract:
    """One suite for all; `harness` gives a fresh group and fresh topics to every test."""

    @pytest.fixture
    def polled(self, harness: Harness) -> Polled:
        """Twenty records of the input topic and the membership they were polled under."""
        harness.write(numbered(20))
        return gather(harness.source(), 20)

    def test_records_and_offsets_together(self, harness: Harness, polled: Polled) -> None:
        """After a publication its records are in their topics and its offsets are the group's."""
        publisher = harness.publisher()

        publisher.publish(publication(*polled))

        assert list(range(20)) == values(harness.read(Destination.OUTPUT))
        assert {0: 10, 1: 10} == harness.committed()

    def test_a_note_is_committed_with_the_offsets(self, harness: Harness) -> None:
        """The next member finds it where it goes on."""
        publisher, source = harness.publisher(), harness.source()
        harness.write(numbered(20))
        publisher.publish(replace(publication(*gather(source, 20)), note="dead-letters=1/20"))
        source.close(timeout_s=5)
        next_one = harness.source()

        until(lambda: turned(next_one) and bool(next_one.notes()))

        assert {"dead-letters=1/20"} == set(next_one.notes().values())

    def test_each_destination_is_its_own_topic(self, harness: Harness, polled: Polled) -> None:
        """Output, review and dead-letter records do not mix."""
        records, membership = polled
        sent = [outcome(record, destination=each) for record, each in zip(records, Destination, strict=False)]
        publisher = harness.publisher()

        publisher.publish(Publication(sent, {}, membership))

        for record, destination in zip(records, Destination, strict=False):
            assert [record.value] == [seen.value for seen in harness.read(destination)]

    def test_order_of_an_input_partition_is_kept(self, harness: Harness, polled: Polled) -> None:
        """Without keys, outcomes stand in the partition of the input's number, in input order, over several waves."""
        records, membership = polled
        publisher = harness.publisher()

        for wave in (records[:7], records[7:15], records[15:]):
            publisher.publish(publication(wave, membership))

        seen = harness.read(Destination.OUTPUT)
        assert in_order(seen)
        assert all(int(each.value or b"-1") % PARTITIONS == each.partition for each in seen)

    def test_a_key_always_finds_its_partition(self, harness: Harness, polled: Polled) -> None:
        """Records of one key stand in one partition whatever partition they came from."""
        records, membership = polled
        keys = [b"a", b"b", b"", b"\xff"]
        sent = [Outgoing(Destination.OUTPUT, keys[n % len(keys)], b"x", (), record) for n, record in enumerate(records)]
        publisher = harness.publisher()

        publisher.publish(Publication(sent, {}, membership))

        seen = harness.read(Destination.OUTPUT)
        assert len(records) == len(seen)
        assert len(keys) == len({(each.key, each.partition) for each in seen})

    @pytest.mark.parametrize("transactional", [True, False])
    def test_whatever_was_read_can_be_dead_lettered(self, harness: Harness, *, transactional: bool) -> None:
        """Null key with null value, empty ones, undecodable ones, and odd headers go out as they came in.

        A null header value may come out empty.
        """
        written = [
            Written(None),
            Written(None, key=b"tombstone"),
            Written(b"", key=b""),
            Written(b"\xff\xfe", headers=(("same", b"1"), ("same", b"2"), ("", b""))),
            Written(b"x", headers=(("null", None), ("snow \u2603", b"\x00"))),
        ]
        harness.write(written)
        records, membership = gather(harness.source(), len(written))
        publisher = harness.publisher(transactional=transactional)

        publisher.publish(publication(records, membership))

        seen = harness.read(Destination.OUTPUT)
        assert sorted([(each.key, each.value, _without_nulls(each.headers)) for each in written], key=repr) == sorted(
            [(each.key, each.value, _without_nulls(each.headers)) for each in seen], key=repr
        )

    @pytest.mark.parametrize("transactional", [True, False])
    def test_header_names_that_are_no_text(self, harness: Harness, *, transactional: bool) -> None:
        """A name that was not UTF-8, read with surrogate escapes, goes out as it was; any other one does no harm."""
        harness.write([Written(b"x")])
        records, membership = gather(harness.source(), 1)
        names = ["\udcff\udcfe", "half \ud83d", "known"]
        sent = Outgoing(Destination.DEAD_LETTER, None, b"x", tuple((name, b"1") for name in names), records[0])
        publisher = harness.publisher(transactional=transactional)

        publisher.publish(Publication([sent], {}, membership))

        (seen,) = harness.read(Destination.DEAD_LETTER)
        first, _, last = [name for name, _ in seen.headers]
        assert ["\udcff\udcfe", "known"] == [first, last]

    def test_a_stale_member_publishes_nothing(self, harness: Harness) -> None:
        """Once the group has moved on, records and offsets of the old membership are refused, all or nothing."""
        records, membership, _ = _overtaken(harness)
        publisher = harness.publisher()

        with pytest.raises(Fenced):
            publisher.publish(publication(records, membership))

        assert [] == harness.read(Destination.OUTPUT)
        assert {} == harness.committed()

    def test_a_publication_after_a_refused_one_stands_alone(self, harness: Harness) -> None:
        """The next publication succeeds and carries nothing of the refused one: no record, no offset."""
        records, membership, (first, second) = _overtaken(harness)
        publisher = harness.publisher()
        with pytest.raises(Fenced):
            publisher.publish(publication(records, membership))
        with background(second):
            mine, current = gather(first, 5)

            publisher.publish(publication(mine, current))

        assert values(mine) == values(harness.read(Destination.OUTPUT))
        assert {mine[0].partition: 5} == harness.committed()

    def test_without_transactions_offsets_are_left_alone(self, harness: Harness, polled: Polled) -> None:
        """At least once: the publisher makes records durable, and the source commits."""
        publisher = harness.publisher(transactional=False)

        publisher.publish(publication(*polled))

        assert list(range(20)) == values(harness.read(Destination.OUTPUT))
        assert {} == harness.committed()

    @pytest.mark.parametrize("transactional", [True, False])
    def test_what_fits_is_accepted(self, harness: Harness, *, transactional: bool) -> None:
        """The largest record that is said to fit can be published, among small ones; a larger one is refused before."""
        harness.write(numbered(3))
        records, membership = gather(harness.source(), 3)
        publisher = harness.publisher(transactional=transactional)
        headers = (("name", b"value"), ("null", None))
        size = _largest(lambda n: publisher.fits(key=b"key", value=bytes(n), headers=headers))
        sent = [
            outcome(records[0]),
            Outgoing(Destination.OUTPUT, b"key", bytes(size), headers, records[1]),
            outcome(records[2]),
        ]

        publisher.publish(Publication(sent, {}, membership))

        assert 3 == len(harness.read(Destination.OUTPUT))
        assert not publisher.fits(key=b"key", value=bytes(size + 1), headers=headers)
        assert size > 100_000

    def test_closing_is_harmless(self, harness: Harness, polled: Polled) -> None:
        """Before the first publication, after it, and twice."""
        unused, used = harness.publisher(), harness.publisher(transactional=False)
        used.publish(publication(*polled))

        for publisher in (unused, used, used):
            publisher.close(timeout_s=10)


def _overtaken(harness: Harness) -> tuple[list[Record], Membership, tuple[Source, Source]]:
    """Records polled by a member, and another member that has joined since: the membership is stale."""
    harness.write(numbered(10))
    first = harness.source()
    records, membership = gather(first, 10)
    second = harness.source()
    share(first, second)
    first.rewind()
    return records, membership, (first, second)


def _without_nulls(headers: Sequence[Header]) -> tuple[Header, ...]:
    return tuple((name, value or b"") for name, value in headers)


def _largest(fits: Callable[[int], bool]) -> int:
    low, high = 0, 1 << 24
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if fits(middle) else (low, middle - 1)
    return low
