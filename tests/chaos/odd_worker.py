"""`emostream run` with one part exchanged: slow, hanging, dying or wrong on purpose. Run as a program.

`python -m tests.chaos.odd_worker --publish-pause-s 1 --config worker.yaml`; everything but our own options goes to
`emostream run`.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import structlog

from worker import wiring
from worker.cli import app
from worker.kafka.clients import Adapters, adapters
from worker.kafka.publisher import TransactionalPublisher
from worker.kafka.source import KafkaSource
from worker.ports import Inferred
from worker.records import Encoded, Membership, Publication
from worker.testing import StubClassifier

log = structlog.get_logger(__name__)


class OddClassifier(StubClassifier):
    """Takes `forward_s` for each wave; after so many of them it hangs, or its thread dies."""

    policy_file = None
    surprise_file = None

    def __init__(self, *, forward_s: float, hangs_after: int | None, dies_after: int | None) -> None:
        super().__init__()
        self._forward_s = forward_s
        self._hangs_after = hangs_after
        self._dies_after = dies_after
        self._waves = 0

    def predict(self, encoded: Sequence[Encoded]) -> Inferred:
        self._waves += 1
        log.info("forward.begins", wave=self._waves)
        if self._waves == self._hangs_after:
            time.sleep(3600)
        if self._waves == self._dies_after:
            raise MemoryError
        time.sleep(self._forward_s)
        return super().predict(encoded)


class Slow:
    """Waits before each publication, where a real publisher may be stopped by the operating system."""

    pause_s = 0.0

    def publish(self, publication: Publication) -> None:
        log.info("publish.waits", records=len(publication.outgoing))
        time.sleep(self.pause_s)
        super().publish(publication)  # type: ignore[misc]


class KeptSource(KafkaSource):
    """Lets the wrong publisher find the consumer."""

    latest: KafkaSource

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        KeptSource.latest = self


class WrongPublisher(TransactionalPublisher):
    """Reads the group metadata at the commit: an expelled member's is that of nobody, which the broker lets pass."""

    def publish(self, publication: Publication) -> None:
        log.info("publish.waits", records=len(publication.outgoing))
        began = time.time()
        time.sleep(Slow.pause_s)
        stopped_meanwhile = time.time() - began > Slow.pause_s + 5
        now = KeptSource.latest._consumer.group_metadata()
        while stopped_meanwhile and not _passes(now, publication.membership):
            time.sleep(0.001)
            now = KeptSource.latest._consumer.group_metadata()
        membership = replace(publication.membership, snapshot=now)
        super().publish(replace(publication, membership=membership))


def _passes(now: Any, polled_as: Membership) -> bool:
    """Whether the broker lets offsets pass that are not those of `now`: from nobody, or from a member that is new."""
    if now.generation_id > 0:
        return bool(now.generation_id != polled_as.generation)
    return not now.member_id  # half-way into the group a member has an id and no generation


def odd_adapters(client: str, *, reads_membership_again: bool) -> Adapters:
    """The client's adapters with another publisher for exactly-once; the wrong one is there for kafka-python only."""
    usual: Any = adapters(client)
    if reads_membership_again:
        return replace(usual, source=KeptSource, transactional=WrongPublisher)
    return replace(usual, transactional=type("SlowPublisher", (Slow, usual.transactional), {}))


def main() -> None:
    parser = argparse.ArgumentParser(prog="odd_worker")
    parser.add_argument("--publish-pause-s", type=float)
    parser.add_argument("--reads-membership-again", action="store_true")
    parser.add_argument("--forward-s", type=float)
    parser.add_argument("--hangs-after", type=int)
    parser.add_argument("--dies-after", type=int)
    odd, usual = parser.parse_known_args()
    exchanged: Any = wiring
    if odd.publish_pause_s is not None:
        Slow.pause_s = odd.publish_pause_s
        exchanged.adapters = lambda client: odd_adapters(client, reads_membership_again=odd.reads_membership_again)
    if odd.forward_s is not None:
        exchanged.load = lambda _settings: OddClassifier(
            forward_s=odd.forward_s, hangs_after=odd.hangs_after, dies_after=odd.dies_after
        )
    app(["run", *usual])


if __name__ == "__main__":
    sys.exit(main())
