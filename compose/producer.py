"""Sends sample texts to a topic at a steady rate until stopped; one in a hundred is bad and becomes a dead letter."""

from __future__ import annotations

import os
import signal
import sys
import time

from kafka import KafkaProducer

from worker.demo.messages import messages

COUNT = 5_000  # then they come again


def main() -> None:
    per_second = float(os.environ["MESSAGES_PER_SECOND"])
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    producer = KafkaProducer(bootstrap_servers=os.environ["BOOTSTRAP_SERVERS"], linger_ms=20, acks="all")
    due = time.monotonic()
    while True:
        for message in messages(COUNT):
            producer.send(os.environ["TOPIC"], key=message.key, value=message.value)
            due += 1 / per_second
            time.sleep(max(0.0, due - time.monotonic()))


if __name__ == "__main__":
    main()
