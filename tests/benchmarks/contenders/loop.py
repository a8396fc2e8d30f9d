"""What users glue together today: poll up to 32, Hugging Face `pipeline`, send, flush, commit. At least once.

With a batch size of 1 it is what they glue together first: every record classified, sent and committed by itself.
"""

from __future__ import annotations

import json
import sys

from classifying import classifier, encoded, end_at_sigterm
from kafka import KafkaConsumer, KafkaProducer


def main(bootstrap_servers: str, group_id: str, source: str, target: str, checkpoint: str, batch_size: str) -> None:
    end_at_sigterm()
    size = int(batch_size)
    classify = classifier(checkpoint, batch_size=size)
    consumer = KafkaConsumer(
        source,
        bootstrap_servers=bootstrap_servers,
        group_id=group_id,
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        max_poll_records=size,
    )
    producer = KafkaProducer(bootstrap_servers=bootstrap_servers, acks="all")
    while True:
        records = [record for batch in consumer.poll(timeout_ms=100).values() for record in batch]
        if not records:
            continue
        payloads = [json.loads(record.value) for record in records]
        for payload, scores in zip(payloads, classify([each["text"] for each in payloads]), strict=True):
            producer.send(target, encoded(payload, scores))
        producer.flush()
        consumer.commit()


if __name__ == "__main__":
    main(*sys.argv[1:])
