"""One example of everything in this package: what docs/formats.md shows, and what a consumer may test against."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

from schemas.classified import ClassifiedText, Domain, Engine, Failure, FileSource, UnclassifiedText
from schemas.dead_letter import DeadLetterHeaders, DeadReason, Stage
from schemas.enriched import ENRICHED_TYPE, EnrichedEvent, Model, PolicyRef, Promise, Source
from schemas.event_headers import EventHeaders
from schemas.fields import Task
from schemas.policy import (
    ArgmaxRule,
    Guarantee,
    PerLabelThresholdsRule,
    Policy,
    PolicyEngine,
    PolicyModel,
    policy_id,
)
from schemas.review import Reason, ReviewEvent

_READ_AT = datetime(2026, 11, 21, 10, tzinfo=UTC)
_MADE_AT = _READ_AT + timedelta(milliseconds=61)
_REVISION = "sha256:5b0c1f6f4d3e2a190807f6e5d4c3b2a1908f7e6d5c4b3a291807f6e5d4c3b2a1"
_MODEL = Model(name="builtin:emotion", revision=_REVISION, task=Task.SINGLE_LABEL)
_TABLE = "sha256:7a6b5c4d3e2f10123456789abcdef0fedcba98765432100f1e2d3c4b5a697887"
_ENGINE = PolicyEngine(backend="openvino", precision="float32")
_SURE = {"sadness": 0.004, "joy": 0.973, "love": 0.012, "anger": 0.003, "fear": 0.004, "surprise": 0.004}
_UNSURE = {"sadness": 0.019, "joy": 0.487, "love": 0.402, "anger": 0.012, "fear": 0.021, "surprise": 0.059}

POLICY: Final = Policy(
    schema="emostream.policy/1",
    model=PolicyModel(name=_MODEL.name, revision=_MODEL.revision),
    engine=_ENGINE,
    task=Task.SINGLE_LABEL,
    labels=tuple(_SURE),
    temperature=1.31,
    rule=ArgmaxRule(min_confidence=0.62),
    guarantee=Guarantee(
        method="ltt_fixed_sequence",
        target_risk=0.05,
        confidence=0.9,
        calibration_size=1000,
        coverage=0.941,
        bound=0.0496,
    ),
    data_fingerprint="sha256:0f1e2d3c4b5a69788796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1f0",
    created_at=datetime(2026, 11, 20, 9, 30, tzinfo=UTC),
)

PER_LABEL_POLICY: Final = Policy(
    schema="emostream.policy/1",
    model=PolicyModel(name="my-models/tickets", revision=_REVISION),
    engine=_ENGINE,
    task=Task.MULTI_LABEL,
    labels=("billing", "delivery", "praise"),
    temperature=1.0,
    rule=PerLabelThresholdsRule(thresholds={"billing": 0.41, "delivery": 0.35, "praise": 0.6}),
    created_at=datetime(2026, 11, 20, 9, 30, tzinfo=UTC),
)

_POLICY_REF = PolicyRef(
    id=policy_id(POLICY), threshold=0.62, calibrated=True, guarantee=Promise(target_risk=0.05, confidence=0.9)
)

ENRICHED: Final = EnrichedEvent(
    schema="emostream.enriched/1",
    id="texts/3/1042",
    source=Source(topic="texts", partition=3, offset=1042, timestamp=_READ_AT),
    outcome="accepted",
    labels=("joy",),
    confidence=0.973,
    scores=_SURE,
    model=_MODEL,
    policy=_POLICY_REF,
    truncated=False,
    tokens=14,
    processed_at=_MADE_AT,
    payload={"id": 7, "text": "i feel so lucky to have friends like these", "channel": "app"},
)

REVIEW: Final = ReviewEvent(
    schema="emostream.review/1",
    id="texts/3/1043",
    source=Source(topic="texts", partition=3, offset=1043, timestamp=_READ_AT),
    outcome="abstained",
    reasons=(Reason.LOW_CONFIDENCE,),
    labels=("joy",),
    confidence=0.487,
    scores=_UNSURE,
    model=_MODEL,
    policy=_POLICY_REF,
    truncated=False,
    tokens=11,
    processed_at=_MADE_AT,
    payload={"id": 8, "text": "i feel quite tender about all this", "channel": "app"},
)

EVENT_HEADERS: Final = EventHeaders.model_validate(
    {
        "ce_specversion": "1.0",
        "ce_id": ENRICHED.id,
        "ce_source": "/emostream/emostream",
        "ce_type": ENRICHED_TYPE,
        "ce_time": _MADE_AT,
        "content-type": "application/json",
    }
)

DEAD_LETTER_HEADERS: Final = DeadLetterHeaders(
    stage=Stage.DECODE,
    reason=DeadReason.MISSING_TEXT,
    message="nothing at '/text'",
    source_topic="texts",
    source_partition=3,
    source_offset=1044,
    source_timestamp=int(_READ_AT.timestamp() * 1000),
    group="emostream",
    version="0.1.0",
)

CLASSIFIED: Final = ClassifiedText(
    schema="emostream.classified/1",
    id="reviews.csv/12",
    source=FileSource(file="reviews.csv", line=12),
    outcome="accepted",
    reasons=(),
    labels=("joy",),
    confidence=0.973,
    scores=_SURE,
    model=_MODEL,
    policy=None,
    truncated=False,
    tokens=14,
    processed_at=_MADE_AT,
    payload={"text": "i feel so lucky to have friends like these", "label": "joy"},
    engine=Engine(backend="openvino", precision="float32"),
    energy=5.273,
    domain=Domain(surprise=-1.274, content_tokens=9, table=_TABLE),
)

UNCLASSIFIED: Final = UnclassifiedText(
    schema="emostream.classified/1",
    id="reviews.csv/13",
    source=FileSource(file="reviews.csv", line=13),
    outcome="dead",
    reasons=(),
    error=Failure(stage=Stage.DECODE, reason=DeadReason.EMPTY_TEXT, message="the text is only whitespace"),
)
