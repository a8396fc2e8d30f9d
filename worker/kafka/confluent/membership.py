"""Who we are in the group, out of the metadata that librdkafka gives for the fencing of transactions.

It is a serialised object (`rd_kafka_consumer_group_metadata_write`): a mark, the generation in the machine's byte
order, then group, member and instance, each ended by a zero.
"""

from __future__ import annotations

import struct

from kafka.structs import ConsumerGroupMetadata

from worker.errors import ConfigError
from worker.kafka.membership import Identity

MARK = b"CGMDv2:"
GENERATION = struct.Struct("=i")


def identity_of(metadata: bytes) -> Identity | None:
    """None while we have no place in the group."""
    if not metadata.startswith(MARK):
        raise ConfigError("this version of confluent-kafka is not known: pip install 'emostream[confluent]'")
    (generation,) = GENERATION.unpack_from(metadata, len(MARK))
    _, member_id, _ = metadata[len(MARK) + GENERATION.size :].split(b"\0", 2)
    return Identity(generation, member_id.decode()) if generation > 0 and member_id else None


def for_the_other_client(group_id: str, identity: Identity) -> ConsumerGroupMetadata:
    """The same membership, as kafka-python fences with it."""
    return ConsumerGroupMetadata(group_id, identity.generation, identity.member_id, None)
