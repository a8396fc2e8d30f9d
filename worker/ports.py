"""What the core asks of the outside: a source, a publisher, a classifier; and what a classifier asks of its backend.

Each port has one contract suite (tests/contract) that the real adapters and the shipped fakes (worker.testing)
both pass. The core never sees a vendor's type or exception.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from worker.errors import RecordError
from worker.records import (
    Encoded,
    Membership,
    ModelInfo,
    Offsets,
    Prediction,
    Publication,
    Record,
    TopicPartition,
)


@dataclass(frozen=True, slots=True)
class Polled:
    """What one poll brought.

    `records`: in offset order within each partition, all polled under `membership`; none are repeated or left out
    between two rewinds. `membership` is None while the group is not stable; then `records` is empty.
    `rebalanced`: partitions may have moved. What was handed out before may not be ours any more, and nothing is
    delivered until `Source.rewind` is called.
    """

    records: Sequence[Record] = ()
    membership: Membership | None = None
    rebalanced: bool = False


class Source(Protocol):
    """The consumer. Owned by the pump's thread: every verb is called from there, none is thread-safe."""

    def poll(self, *, timeout_s: float) -> Polled:
        """Wait up to about `timeout_s` for records and keep the group membership alive.

        Survives transient broker trouble (an empty `Polled`). Raises BrokerRefused when trying on is pointless
        (a topic was deleted, an ACL withdrawn).
        """
        ...

    def pause(self) -> None:
        """Deliver no records from the next poll on; polling goes on for the membership. Idempotent."""
        ...

    def resume(self) -> None:
        """Undo `pause`. Idempotent."""
        ...

    def rewind(self) -> None:
        """Forget all that was handed out: delivery starts again at the committed offsets.

        Call it only when no publication is in flight. Returns at once; the seeking happens in the following polls.
        """
        ...

    def acknowledge(self, publication: Publication) -> None:
        """The publication is durable. At-least-once: commit its offsets now (a failure is logged; the records
        are redone). Exactly-once: the transaction has committed them already; only note it."""
        ...

    def notes(self) -> Mapping[TopicPartition, str]:
        """What was committed (`Publication.note`) with the offsets that the owned partitions went on from at the last
        rewind; from local state, cheap."""
        ...

    def joined(self) -> bool:
        """Whether the last poll left this member with a stable place in the group, with partitions or waiting for
        some; from local state, cheap."""
        ...

    def assignment(self) -> frozenset[TopicPartition]:
        """The partitions this member owns now (empty while waiting for some)."""
        ...

    def lag(self) -> Mapping[TopicPartition, int]:
        """Records between the last handed-out offset and the end of each owned partition; from local state, cheap."""
        ...

    def end_offsets(self) -> Offsets:
        """The end of every partition of every input topic, owned or not. May block for a few seconds."""
        ...

    def caught_up(self, ends: Offsets) -> bool:
        """Whether the group has committed every partition up to `ends` (an owned partition also counts when it was
        read past its end with nothing of it in flight: the last offsets may be transaction markers)."""
        ...

    def close(self, *, timeout_s: float) -> None:
        """Leave the group without committing. Never raises, never blocks longer than `timeout_s`."""
        ...


class Publisher(Protocol):
    """The producer. Called from the publishing thread only, one publication at a time."""

    def publish(self, publication: Publication) -> None:
        """Publish everything and (exactly-once) the offsets, atomically and durably; block at most a fixed deadline.

        Raises PublishFailed, OutcomeUnknown or Fenced; after any of them the publisher is ready for another
        publication (it rebuilds what it must), and the caller must rewind.
        """
        ...

    def fits(self, *, key: bytes | None, value: bytes | None, headers: Sequence[tuple[str, bytes | None]]) -> bool:
        """Whether a record of this size is accepted by the client and the outgoing topics."""
        ...

    def close(self, *, timeout_s: float) -> None:
        """Release connections. Never raises, never blocks longer than `timeout_s`."""
        ...


@dataclass(frozen=True, slots=True)
class InferenceStats:
    """What one `Classifier.predict` cost, in counts: a regression shows here without a clock.

    `real_tokens` and `padded_tokens` are those of the forward passes (padding ratio = padded / real); `repeated` texts
    were answered by an identical one or the cache; `isolated` were dead-lettered by bisection.
    """

    texts: int = 0
    repeated: int = 0
    forward_passes: int = 0
    real_tokens: int = 0
    padded_tokens: int = 0
    isolated: int = 0


@dataclass(frozen=True, slots=True)
class Inferred:
    """Results in the order of the request, one for each text: a prediction, or why there is none."""

    results: Sequence[Prediction | RecordError]
    stats: InferenceStats


class Classifier(Protocol):
    """Texts to predictions (worker.inference.engine.Engine). `encode` is called by the pump's thread while `predict`
    runs on the inference thread."""

    info: ModelInfo

    def encode(self, texts: Sequence[str]) -> list[Encoded | RecordError]:
        """Tokenize all texts in one call, in order; a text that the tokenizer refuses gets a RecordError."""
        ...

    def predict(self, encoded: Sequence[Encoded]) -> Inferred:
        """Scores for all, in order, whatever order and micro-batches the model saw.

        A text that makes the model fail gets a RecordError and costs its neighbours nothing. Raises EngineLost.
        """
        ...

    def close(self) -> None:
        """Free threads and the model. Idempotent."""
        ...


class Filling(Enum):
    """What a forward pass computes beside real tokens, and so which texts should share one.

    With `ROWS` the backend lays texts as `worker.inference.rows.lay` does: passes are packed and counted by it.
    """

    PADDED = "every text as long as the longest"
    ROWS = "texts share rows"
    EXACT = "nothing"


class Backend(Protocol):
    """One loaded model that turns token ids into logits; knows nothing of texts, records or Kafka.

    `run` is safe to call from `concurrency` threads at once; `filling` says which texts it wants in one call.
    """

    concurrency: int
    filling: Filling

    def run(self, input_ids: NDArray[np.int64], attention_mask: NDArray[np.int64]) -> NDArray[np.float32]:
        """Logits float32 [batch, labels] for int64 [batch, length] (mask: 1 token, 0 padding).

        A row's result does not depend on the other rows (within the precision's tolerance). Raises
        EngineOverloaded (out of memory), EngineFailed (this input) or EngineLost (all inputs).
        """
        ...

    def close(self) -> None:
        """Free the model. Idempotent."""
        ...
