"""Confluent's own serializers as a program: `send` writes texts with a schema's id, `read` reads events by theirs.

Run with a folder of scripts/test-tools as PYTHONPATH: the client's registry part needs packages that nothing else does.
"""

from __future__ import annotations

import json
import sys

from confluent_kafka import OFFSET_BEGINNING, Consumer, Producer, TopicPartition
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.json_schema import JSONDeserializer, JSONSerializer
from confluent_kafka.serialization import MessageField, SerializationContext


def send(url: str, brokers: str, topic: str, schema: dict, values: list[dict]) -> int:
    serialize = JSONSerializer(json.dumps(schema), SchemaRegistryClient({"url": url}))
    producer = Producer({"bootstrap.servers": brokers})
    for value in values:
        producer.produce(topic, serialize(value, SerializationContext(topic, MessageField.VALUE)))
    return producer.flush(30)


def read(url: str, brokers: str, topic: str, partitions: int, count: int) -> list[dict]:
    """Each value is checked against the schema whose id it carries."""
    deserialize = JSONDeserializer(None, schema_registry_client=SchemaRegistryClient({"url": url}))
    consumer = Consumer({"bootstrap.servers": brokers, "group.id": "reader", "isolation.level": "read_committed"})
    consumer.assign([TopicPartition(topic, number, OFFSET_BEGINNING) for number in range(partitions)])
    found = []
    while len(found) < count:
        message = consumer.poll(30)
        if message is None:
            break
        found.append(deserialize(message.value(), SerializationContext(topic, MessageField.VALUE)))
    consumer.close()
    return found


if __name__ == "__main__":
    print(json.dumps({"send": send, "read": read}[sys.argv[1]](**json.load(sys.stdin))))
