from __future__ import annotations

import json

import pytest

from schemas.dead_letter import DeadLetterHeaders
from schemas.enriched import EnrichedEvent
from schemas.policy import DriftBin, DriftCheck
from schemas.review import ReviewEvent
from tests.unit.core import broker_with, input_ids, outcome_ids, pipeline_of, publisher_of, pump_of, source_of
from worker.batching import CloseReason, Gathered, Wave
from worker.decision.drift import DriftWatch
from worker.decision.policy import rule_for
from worker.errors import DeadReason
from worker.events import EventRenderer, Provenance
from worker.pipeline import InForce, Pipeline, Processed, Routing
from worker.records import Destination, Membership, Outcome, Outgoing, Record, Task
from worker.stopping import Stop
from worker.testing import FakeBroker, StubClassifier

MEMBERSHIP = Membership(1, "member", None)


def record(value: bytes | None, *, offset: int = 7, headers: tuple[tuple[str, bytes | None], ...] = ()) -> Record:
    return Record("texts", 3, offset, 1_790_000_000_123, b"key", value, headers)


def processed(pipeline: Pipeline, *records: Record) -> Processed:
    return pipeline.process(Wave(tuple(pipeline.gather(records)), MEMBERSHIP, CloseReason.DRAIN))


def pipeline(*, routing: Routing | None = None, classifier: StubClassifier | None = None) -> Pipeline:
    return pipeline_of(publisher_of(FakeBroker(topics={})), routing=routing, classifier=classifier)


def texts_by_outcome() -> tuple[bytes, bytes]:
    """A text that the stub is sure of, and one that it is not."""
    candidates = [f"text {number}".encode() for number in range(100)]
    outcomes = [processed(pipeline(), record(value)).tally.outcomes for value in candidates]
    sure = next(value for value, found in zip(candidates, outcomes, strict=True) if found[Outcome.ACCEPTED])
    unsure = next(value for value, found in zip(candidates, outcomes, strict=True) if found[Outcome.ABSTAINED])
    return sure, unsure


SURE, UNSURE = texts_by_outcome()


def only(done: Processed) -> Outgoing:
    assert len(done.publication.outgoing) == 1
    return done.publication.outgoing[0]


def test_an_accepted_record_becomes_an_enriched_event() -> None:
    """The event is what the schema says, with the input's payload and headers, and CloudEvents headers of its own."""
    done = processed(pipeline(), record(SURE, headers=(("traceparent", b"00-1"), ("ce_id", b"theirs"))))

    outgoing = only(done)
    event = EnrichedEvent.model_validate_json(outgoing.value or b"")
    assert outgoing.destination is Destination.OUTPUT
    assert outgoing.key == b"key"
    assert event.id == "texts/3/7"
    assert event.payload == {"text": SURE.decode()}
    headers = dict(outgoing.headers)
    assert len(headers) == len(outgoing.headers)
    assert headers["traceparent"] == b"00-1"
    assert headers["ce_id"] == b"texts/3/7"
    assert headers["ce_type"] == b"emostream.enriched.v1"


def test_a_doubtful_record_becomes_a_review_event_only() -> None:
    """Below the confidence asked for, the record goes to people, with the reason."""
    done = processed(pipeline(), record(UNSURE))

    outgoing = only(done)
    event = ReviewEvent.model_validate_json(outgoing.value or b"")
    assert outgoing.destination is Destination.REVIEW
    assert [str(reason) for reason in event.reasons] == ["low_confidence"]
    assert event.outcome == "abstained"


def test_labels_are_counted_of_accepted_records_only() -> None:
    """What goes to people has labels that nobody stands for yet."""
    accepted = processed(pipeline(), record(SURE)).tally
    doubtful = processed(pipeline(), record(UNSURE)).tally

    assert accepted.labels.total() == 1
    assert not doubtful.labels


def test_abstained_records_can_be_published_too() -> None:
    """With publish_abstained the output topic gets an event for every record that is not dead."""
    done = processed(pipeline(routing=Routing(publish_abstained=True)), record(UNSURE))

    assert [each.destination for each in done.publication.outgoing] == [Destination.OUTPUT, Destination.REVIEW]
    assert json.loads(done.publication.outgoing[0].value or b"")["outcome"] == "abstained"


def test_the_audit_sample_is_a_copy() -> None:
    """An accepted record in the sample goes to the output and, marked, to review."""
    done = processed(pipeline(routing=Routing(audit_rate=1.0)), record(SURE))

    output, review = done.publication.outgoing
    event = ReviewEvent.model_validate_json(review.value or b"")
    assert output.destination is Destination.OUTPUT
    assert event.outcome == "accepted"
    assert [str(reason) for reason in event.reasons] == ["audit_sample"]


def test_a_policy_that_changes_decides_whole_waves() -> None:
    """Asked once before a wave, it decides, routes and is named in every event of the wave, and in those after it."""
    info = StubClassifier().info
    strict = InForce(
        rule=rule_for(info, None, min_confidence=1.0),
        renderer=EventRenderer(Provenance(info, {"id": "sha256:new", "guarantee": None}, "group", "0")),
        routing=Routing(publish_abstained=True),
        watch=None,
    )
    answers = iter([None, strict, None])
    changing = pipeline_of(publisher_of(FakeBroker(topics={})), changed=lambda: next(answers))

    waves = [processed(changing, record(SURE), record(SURE, offset=8)) for _ in range(3)]

    destinations = [[each.destination for each in wave.publication.outgoing] for wave in waves]
    policies = [{str(json.loads(each.value or b"")["policy"]) for each in wave.publication.outgoing} for wave in waves]
    abstained = [Destination.OUTPUT, Destination.REVIEW]
    assert [[Destination.OUTPUT] * 2, abstained * 2, abstained * 2] == destinations
    new = str({"id": "sha256:new", "guarantee": None})
    assert [{"None"}, {new}, {new}] == policies


def test_a_record_that_is_done_again_is_no_new_evidence_of_drift() -> None:
    """After a rewind the same records come by once more; the watch counts each of them once."""
    info = StubClassifier().info
    reference = DriftCheck(
        bins=(DriftBin(confidence_below=1.0, share=1.0, least=0.9, most=1.0),),
        false_alarms_per_day=0.01,
        void_guarantee=False,
    )
    watched = InForce(
        rule=rule_for(info, None, min_confidence=0.7),
        renderer=EventRenderer(Provenance(info, None, "group", "0")),
        routing=Routing(),
        watch=DriftWatch(reference),
    )
    policies = iter([watched, None, None])
    watching = pipeline_of(publisher_of(FakeBroker(topics={})), changed=lambda: next(policies))

    waves = [processed(watching, *(record(SURE, offset=offset) for offset in range(3, end))) for end in (7, 7, 9)]

    assert [4, 4, 6] == [wave.drift and wave.drift.records for wave in waves]


@pytest.mark.parametrize(("value", "reason"), [(b"", DeadReason.EMPTY_TEXT), (b"poison", DeadReason.INFERENCE_FAILED)])
def test_a_bad_record_becomes_a_dead_letter_as_it_was(value: bytes, reason: DeadReason) -> None:
    """Key, value and headers stay byte for byte; ours say why and where it came from."""
    bad = record(value, headers=(("h", b"\xff"), ("h", None)))

    outgoing = only(processed(pipeline(), bad))

    theirs, ours = DeadLetterHeaders.split(outgoing.headers)
    assert outgoing.destination is Destination.DEAD_LETTER
    assert (outgoing.key, outgoing.value, tuple(theirs)) == (bad.key, bad.value, bad.headers)
    assert ours.reason == reason
    assert (ours.source_topic, ours.source_partition, ours.source_offset) == ("texts", 3, 7)


def test_an_event_that_is_too_large_becomes_a_dead_letter() -> None:
    """What the topic would refuse is not retried for ever; too large a record leaves a stub that says where it is."""
    small = publisher_of(FakeBroker(topics={}), max_bytes=700)

    whole = only(processed(pipeline_of(small), record(SURE * 60)))
    stub = only(processed(pipeline_of(small), record(SURE * 200)))

    assert whole.value == SURE * 60
    assert DeadLetterHeaders.parse(whole.headers).reason == DeadReason.EVENT_TOO_LARGE
    assert (stub.key, stub.value) == (None, None)
    assert DeadLetterHeaders.parse(stub.headers).omitted_bytes == len(SURE * 200) + len(b"key")


@pytest.mark.parametrize("timestamp_ms", [-1, 2**63 - 1])
def test_any_timestamp_is_survived(timestamp_ms: int) -> None:
    """A record without a timestamp, or with one that no calendar holds, has an event without one."""
    odd = Record("texts", 0, 0, timestamp_ms, None, SURE)

    event = EnrichedEvent.model_validate_json(only(processed(pipeline(), odd)).value or b"")

    assert event.source.timestamp is None


def test_results_stay_with_their_records() -> None:
    """Bad records between good ones shift nothing."""
    values = [SURE, b"", UNSURE, b"poison", SURE, b"", b"other"]
    alone = {value: only(processed(pipeline(), record(value))) for value in values}

    together = processed(pipeline(), *(record(value, offset=place) for place, value in enumerate(values)))

    assert [len(values), [False, True, False, True, False, True, False]] == [
        len(together.publication.outgoing),
        list(together.deaths),
    ]
    for value, outgoing in zip(values, together.publication.outgoing, strict=True):
        assert outgoing.destination is alone[value].destination
        if outgoing.destination is not Destination.DEAD_LETTER:
            scores = json.loads(outgoing.value or b"")["scores"]
            assert scores == json.loads(alone[value].value or b"")["scores"]


def test_multi_label_events_carry_every_label_reached() -> None:
    """Labels are those at their thresholds, most likely first."""
    classifier = StubClassifier(labels=("a", "b", "c", "d"), task=Task.MULTI_LABEL)
    done = processed(pipeline(classifier=classifier), *(record(f"{n}".encode(), offset=n) for n in range(20)))

    for outgoing in done.publication.outgoing:
        event = json.loads(outgoing.value or b"")
        expected = sorted(
            (label for label in event["scores"] if event["scores"][label] >= 0.5), key=event["scores"].get
        )
        assert event["labels"] == expected[::-1]


def test_a_gathered_record_knows_its_tokens() -> None:
    """Bad records count for nothing in a wave's token bound."""
    items: list[Gathered] = pipeline().gather([record(b"four"), record(b"")])

    assert [item.tokens for item in items] == [4, 0]


def test_the_counts_add_up() -> None:
    """Every record is in the tally once."""
    broker = broker_with([SURE, UNSURE, b"", b"poison"] * 5)
    source = source_of(broker)

    pump_of(source, publisher_of(broker)).run(stop=Stop(), drain_timeout_s=5, until=source.end_offsets())

    assert outcome_ids(broker) == input_ids(broker)
    assert [len(broker.topic("out")), len(broker.topic("review")), len(broker.topic("dead"))] == [5, 5, 10]
