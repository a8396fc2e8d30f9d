"""FastStream on confluent-kafka: batches of up to 32 in, a batch out, offsets acknowledged after it. At least once."""

from __future__ import annotations

import asyncio
import logging
import sys
from typing import Any

from classifying import classifier, event
from faststream import AckPolicy, FastStream
from faststream.confluent import KafkaBroker

BATCH = 32


def main(bootstrap_servers: str, group_id: str, source: str, target: str, checkpoint: str) -> None:
    classify = classifier(checkpoint, batch_size=BATCH)
    broker = KafkaBroker(bootstrap_servers, log_level=logging.WARNING)

    @broker.subscriber(
        source,
        group_id=group_id,
        batch=True,
        max_records=BATCH,
        auto_offset_reset="earliest",
        ack_policy=AckPolicy.NACK_ON_ERROR,
    )
    @broker.publisher(target, batch=True)
    async def handle(payloads: list[dict[str, Any]]) -> list[dict[str, Any]]:
        scores = classify([payload["text"] for payload in payloads])
        return [event(payload, each) for payload, each in zip(payloads, scores, strict=True)]

    asyncio.run(FastStream(broker).run(log_level=logging.WARNING))


if __name__ == "__main__":
    main(*sys.argv[1:])
