"""One producer of librdkafka: what it is given to send, what it could not deliver, and how it is let go."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, Sequence

from confluent_kafka import KafkaError, KafkaException, Producer
from confluent_kafka import TopicPartition as ClientPartition

from worker.clock import Deadline
from worker.errors import PublishFailed
from worker.kafka.calls import Call, ended_within
from worker.kafka.confluent.client_log import client_logger
from worker.kafka.confluent.settings import producer_settings
from worker.kafka.connection import Connection
from worker.kafka.producer import DELIVERY_TIMEOUT_MS, MAX_BLOCK_MS, REQUEST_TIMEOUT_MS, ProducerSettings
from worker.records import Destination, Header, Outgoing, Publication

# of the calls that wait for a coordinator's answer
ANSWERED_WITHIN_S = REQUEST_TIMEOUT_MS / 1000 + 1
ROOM_EVERY_S = 0.1
PARTITIONS_KNOWN_FOR_S = 30.0
NAMES_REMEMBERED = 10_000


class HeaderNames:
    """Tells which records the client cannot send: an undecodable header name ends the process, a zero cuts it off."""

    def __init__(self) -> None:
        self._fine: set[str] = set()

    def suit(self, outgoing: Iterable[Outgoing]) -> bool:
        """Whether the client can send every header name of all these."""
        fine = self._fine
        return all(fine.issuperset([name for name, _ in each.headers]) or self._look(each.headers) for each in outgoing)

    def _look(self, headers: Sequence[Header]) -> bool:
        names = {name for name, _ in headers}
        if any("\0" in name or not _encodable(name) for name in names):
            return False
        if len(self._fine) > NAMES_REMEMBERED:
            self._fine.clear()
        self._fine |= names
        return True


def _encodable(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


class Sender:
    """Every call ends with the deadline it is given, or raises the client's errors."""

    def __init__(self, connection: Connection, settings: ProducerSettings, *, transactional_id: str | None) -> None:
        self.failed: list[KafkaError] = []
        self._given_up = threading.Event()
        self._topics = settings.topics
        self._partitions: dict[str, int] = {}
        self._partitions_until: Deadline | None = None
        self._client = Producer(
            {
                **producer_settings(connection, settings, transactional_id=transactional_id),
                "on_delivery": self._delivered,
            },
            logger=client_logger(),
        )

    def initialise(self, timeout_s: float) -> None:
        """Take the transactional id over, and end what was left open under it."""
        self._client.init_transactions(timeout_s)

    def begin(self) -> None:
        self._client.begin_transaction()

    def send_all(self, outgoing: Sequence[Outgoing], deadline: Deadline) -> None:
        """Hand every record to the client, in order."""
        produce = self._client.produce
        partitions = self._known_partitions({each.destination for each in outgoing}, deadline)
        for each in outgoing:
            topic = self._topics[each.destination]
            # -1: by the key
            partition = -1 if each.key is not None else each.source.partition % partitions[topic]
            headers = list(each.headers) or None
            while True:
                try:
                    produce(topic, each.value, each.key, partition, headers=headers)
                    break
                except BufferError:
                    self._wait_for_room(deadline)

    def send_offsets(self, publication: Publication, deadline: Deadline) -> None:
        """With the metadata of the poll that brought the records, never of another one."""
        offsets = [
            ClientPartition(*partition, offset, publication.note) for partition, offset in publication.offsets.items()
        ]
        self._client.send_offsets_to_transaction(offsets, publication.membership.snapshot, _patience(deadline))

    def flush(self, deadline: Deadline) -> None:
        """Wait until every record is durable; raises for the first that is not."""
        unsent = self._client.flush(min(deadline.remaining_s, DELIVERY_TIMEOUT_MS / 1000 + 1))
        if self.failed:
            raise KafkaException(self.failed[0])
        if unsent:
            raise KafkaException(KafkaError(KafkaError._TIMED_OUT))

    def commit(self, deadline: Deadline) -> None:
        self._client.commit_transaction(_patience(deadline))

    def give_up(self, *, busy: bool) -> None:
        """Let it go after a failure; never blocks. Whoever takes the id over ends its transaction. `busy`: a call of
        it is under way that may never end; `ended` tells when it has."""
        if busy:
            self._given_up.set()
        else:
            Call(self._drop, name="kafka-discard", too_late=lambda _: None)

    def ended(self) -> None:
        """Whoever worked with it is done."""
        if self._given_up.is_set():
            self._drop()

    def close(self, *, timeout_s: float) -> None:
        """Let it go with nothing under way; returns after `timeout_s` at the latest."""
        ended_within(timeout_s, self._client.close, name="kafka-close")

    def _drop(self) -> None:
        self._client.purge()
        self._client.close()

    def _delivered(self, error: KafkaError | None, _message: object) -> None:
        if error is not None:
            self.failed.append(error)

    def _known_partitions(self, destinations: Iterable[Destination], deadline: Deadline) -> Mapping[str, int]:
        """How many partitions the topics have."""
        if self._partitions_until is None or self._partitions_until.expired:
            self._partitions.clear()
            self._partitions_until = Deadline.after(PARTITIONS_KNOWN_FOR_S, deadline.clock)
        for topic in {self._topics[each] for each in destinations} - self._partitions.keys():
            described = self._client.list_topics(topic, timeout=min(deadline.remaining_s, MAX_BLOCK_MS / 1000))
            found = described.topics[topic]
            if found.error is not None:
                raise KafkaException(found.error)
            self._partitions[topic] = len(found.partitions)
        return self._partitions

    def _wait_for_room(self, deadline: Deadline) -> None:
        """The client holds as much as it may: until it has sent some of it."""
        waiting = len(self._client)
        while len(self._client) >= waiting:
            if deadline.expired:
                raise PublishFailed("nothing was published: the brokers take no records")
            self._client.poll(ROOM_EVERY_S)


def _patience(deadline: Deadline) -> float:
    return min(deadline.remaining_s, ANSWERED_WITHIN_S)
