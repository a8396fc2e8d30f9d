"""A policy with a guarantee on a real broker: the promise is kept, reasons are right, and a change is noticed."""

from __future__ import annotations

import gzip
import json
import re
import signal
import subprocess
import sys
import urllib.request
from collections import Counter
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from schemas.enriched import EnrichedEvent
from schemas.policy import Policy, load_policy
from schemas.review import Reason, ReviewEvent
from tests.conftest import Topics, fresh
from tests.e2e.processes import Way, worker
from tests.kafka_io import Stored, ToSend, produce
from worker.devbroker.jvm import JvmBroker
from worker.devbroker.ports import free_ports
from worker.learning.audit import estimate_risk
from worker.learning.other_domains import foreign_texts

pytestmark = pytest.mark.broker

MODEL = "builtin:ekman"
TARGET_RISK, CONFIDENCE = 0.15, 0.9
COMMENTS = Path(__file__).with_name("comments.jsonl.gz")
CALIBRATION = 450
STREAM = 1_500


@dataclass(frozen=True)
class Comment:
    """A text and its true label."""

    text: str
    label: str


@cache
def comments() -> tuple[Comment, ...]:
    with gzip.open(COMMENTS, "rt", encoding="utf-8") as lines:
        return tuple(Comment(**json.loads(line)) for line in lines)


@pytest.fixture(scope="module")
def policy_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A policy with everything, from the first half of the comments, by `emostream calibrate`."""
    folder = tmp_path_factory.mktemp("policy")
    data, out = folder / "labelled.jsonl", folder / "policy.json"
    data.write_text("".join(json.dumps(vars(comment)) + "\n" for comment in comments()[:CALIBRATION]))
    options = {"--model": MODEL, "--data": data, "--out": out, "--audit-rate": 0.3}
    options |= {"--target-risk": TARGET_RISK, "--confidence": CONFIDENCE}
    chosen = [str(part) for option in options.items() for part in option]
    command = [sys.executable, "-m", "worker", "calibrate", *chosen, "--review-truncated", "--void-guarantee"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    return out


@pytest.fixture(scope="module")
def policy(policy_file: Path) -> Policy:
    return load_policy(policy_file)


def send(way: Way, sent: list[Comment]) -> None:
    records = [ToSend(json.dumps({"text": each.text, "label": each.label}).encode(), partition=0) for each in sent]
    produce(way.bootstrap_servers, way.input, records)


def live(count: int, seed: int) -> list[Comment]:
    """A stream of comments that were not calibrated on."""
    others = comments()[CALIBRATION:]
    return [others[place] for place in np.random.default_rng(seed).integers(0, len(others), count)]


def accepted(records: list[Stored]) -> list[EnrichedEvent]:
    return [EnrichedEvent.model_validate_json(record.value or b"") for record in records]


def reviewed(records: list[Stored]) -> list[ReviewEvent]:
    return [ReviewEvent.model_validate_json(record.value or b"") for record in records]


def wrong(event: EnrichedEvent | ReviewEvent) -> bool:
    return event.labels != (event.payload["label"],)


def promise(event: EnrichedEvent | ReviewEvent) -> tuple[float, float | None, bool]:
    """What the event says was promised, and whether it stood."""
    assert event.policy is not None
    assert event.policy.guarantee is not None
    said = event.policy.guarantee
    return said.target_risk, said.confidence, said.stands


def metrics(port: int) -> dict[str, float]:
    """The samples without labels that the worker shows."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        lines = re.findall(r"^(emostream_\w+) (\S+)$", answer.read().decode(), re.MULTILINE)
    return {name: float(value) for name, value in lines}


@dataclass(frozen=True)
class Usual:
    """What came of a stream like the calibration texts, and three odd records."""

    output: list[EnrichedEvent]
    review: list[ReviewEvent]
    log: str

    @property
    def abstained(self) -> list[ReviewEvent]:
        return [event for event in self.review if event.outcome == "abstained"]


ODD = {
    Reason.TOO_SHORT: Comment("?!", ""),
    Reason.TRUNCATED: Comment("thank you so much for this " * 200, ""),
    Reason.OUT_OF_DOMAIN: Comment(foreign_texts(1)["German"][0], ""),
}


@pytest.fixture(scope="module")
def usual(jvm_broker: JvmBroker, policy_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Usual:
    folder = tmp_path_factory.mktemp("usual")
    way = Way.made(Topics(jvm_broker.bootstrap_servers), fresh("group"), partitions=1)
    send(way, [*live(STREAM, seed=1), *ODD.values()])
    config = way.config(folder, **sections(policy_file))
    with worker(config, "--until-caught-up") as running:
        assert running.wait() == 0, running.log()
    outcomes = way.outcomes()
    return Usual(accepted(outcomes.output), reviewed(outcomes.review), running.log())


def sections(policy_file: Path) -> dict[str, dict[str, object]]:
    """The settings of a worker that decides by the policy, in small waves."""
    return {"model": {"name": MODEL}, "decision": {"policy": str(policy_file)}, "batch": {"max_messages": 100}}


def test_the_promise_is_kept(usual: Usual) -> None:
    """The risk among the accepted is under the target, and every event says what was promised."""
    risk = np.mean([wrong(event) for event in usual.output])

    assert risk <= TARGET_RISK
    assert 0.3 < len(usual.output) / STREAM < 1.0
    assert {promise(event) for event in (*usual.output, *usual.review)} == {(TARGET_RISK, CONFIDENCE, True)}
    assert "decision.drift" not in usual.log


def test_the_rest_is_in_review_for_the_reasons_that_apply(usual: Usual, policy: Policy) -> None:
    """Below the threshold, or a text that should not be asked about."""
    threshold = policy.rule.min_confidence or 0.0
    by_text = {event.payload["text"]: event.reasons for event in usual.abstained}

    assert len(usual.output) + len(usual.abstained) == STREAM + len(ODD)
    assert all(event.confidence >= threshold for event in usual.output)
    assert all((event.confidence < threshold) == (Reason.LOW_CONFIDENCE in event.reasons) for event in usual.abstained)
    assert all(reason in by_text[comment.text] for reason, comment in ODD.items())


def test_audited_copies_give_an_unbiased_estimate(usual: Usual, policy: Policy) -> None:
    """They come from every stratum at its rate, the events say which, and their answers bound the true risk."""
    copies = [event for event in usual.review if event.outcome == "accepted"]
    answers = np.array([wrong(event) for event in copies], dtype=np.float64)
    probability = np.array([event.audit_probability for event in copies], dtype=np.float64)

    estimate = estimate_risk(answers, probability, accepted=len(usual.output), confidence=0.9999)

    assert {event.audit_probability for event in usual.output} <= {each.rate for each in policy.audit or ()}
    assert all(event.reasons == (Reason.AUDIT_SAMPLE,) for event in copies)
    assert {event.id for event in copies} <= {event.id for event in usual.output}
    assert sum(event.audit_probability or 0.0 for event in usual.output) == pytest.approx(len(copies), rel=0.2)
    assert estimate.low <= np.mean([wrong(event) for event in usual.output]) <= estimate.high


def test_a_changed_stream_raises_the_alarm_and_voids_the_guarantee(
    topics: Topics, group_id: str, policy_file: Path, tmp_path: Path
) -> None:
    """Another language arrives: one warning, metrics say so, and from then on nothing is accepted, however sure."""
    way = Way.made(topics, group_id, partitions=1)
    foreign = [Comment(text, "") for text in foreign_texts(1_000)["Spanish"]]
    before, after = live(500, seed=3), live(300, seed=4)
    send(way, [*before, *foreign, *after])
    (port,) = free_ports(1)
    config = way.config(tmp_path, **sections(policy_file), server={"host": "127.0.0.1", "port": port})

    with worker(config) as running:
        running.wait_for("decision.drift")
        running.wait_for_records(len(before) + len(foreign) + len(after))
        shown = metrics(port)
        running.process.send_signal(signal.SIGTERM)
        code = running.wait()

    outcomes = way.outcomes()
    events = sorted((*accepted(outcomes.output), *_abstained(outcomes.review)), key=lambda event: event.source.offset)
    stands = [promise(event)[2] for event in events]
    alarm = stands.index(False)
    assert (code, running.log().count('"decision.drift"')) == (0, 1)
    assert (shown["emostream_drift_alarm"], shown["emostream_drift_psi"] > 0.25) == (1.0, True)
    assert len(before) <= alarm < len(before) + len(foreign)
    assert not any(stands[alarm:])
    assert Counter(event.outcome for event in events[alarm:]) == {"abstained": len(events) - alarm}
    assert all(Reason.GUARANTEE_VOID in _reasons(event) for event in events[alarm:])
    assert not any(Reason.GUARANTEE_VOID in _reasons(event) for event in events[:alarm])
    strange = [_reasons(event) for event in events[len(before) : len(before) + len(foreign)]]
    assert np.mean([Reason.OUT_OF_DOMAIN in reasons for reasons in strange]) > 0.9


def _abstained(records: list[Stored]) -> list[ReviewEvent]:
    return [event for event in reviewed(records) if event.outcome == "abstained"]


def _reasons(event: Any) -> tuple[Reason, ...]:
    return getattr(event, "reasons", ())
