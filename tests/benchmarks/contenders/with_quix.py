"""Quix Streams: one message at a time, as its data frames go. At least once."""

from __future__ import annotations

import sys
from typing import Any

from classifying import classifier, event
from quixstreams import Application


def main(bootstrap_servers: str, group_id: str, source: str, target: str, checkpoint: str) -> None:
    classify = classifier(checkpoint, batch_size=1)
    app = Application(
        broker_address=bootstrap_servers,
        consumer_group=group_id,
        auto_offset_reset="earliest",
        auto_create_topics=False,
        loglevel="WARNING",
    )

    def enriched(payload: dict[str, Any]) -> dict[str, Any]:
        return event(payload, classify([payload["text"]])[0])

    frame = app.dataframe(app.topic(source, value_deserializer="json"))
    frame.apply(enriched).to_topic(app.topic(target, value_serializer="json"))
    app.run()


if __name__ == "__main__":
    main(*sys.argv[1:])
