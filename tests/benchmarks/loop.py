"""What users glue together today: poll up to 32, Hugging Face `pipeline`, send, flush, commit. At-least-once.

Run as a program by `throughput`; ends when nothing has come for two seconds.
"""

from __future__ import annotations

import json
import sys

from kafka import KafkaConsumer, KafkaProducer
from transformers import pipeline


def main(bootstrap_servers: str, group_id: str, source: str, target: str, checkpoint: str) -> None:
    classify = pipeline("text-classification", model=checkpoint, top_k=None, batch_size=32)
    consumer = KafkaConsumer(
        source,
        bootstrap_servers=bootstrap_servers,
        group_id=group_id,
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        max_poll_records=32,
    )
    producer = KafkaProducer(bootstrap_servers=bootstrap_servers, acks="all")
    empty = 0
    while empty < 20:
        records = [record for batch in consumer.poll(timeout_ms=100).values() for record in batch]
        empty = 0 if records else empty + bool(consumer.assignment())
        if not records:
            continue
        payloads = [json.loads(record.value) for record in records]
        for payload, scores in zip(payloads, classify([p["text"] for p in payloads], truncation=True), strict=True):
            best = max(scores, key=lambda score: score["score"])
            event = {**payload, "label": best["label"], "scores": {s["label"]: s["score"] for s in scores}}
            producer.send(target, json.dumps(event).encode())
        producer.flush()
        consumer.commit()
    consumer.close()
    producer.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
