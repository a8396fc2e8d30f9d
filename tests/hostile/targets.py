"""What may be fed with any bytes, and what must come of it: a result that holds what is promised, or one clear line.

Each target takes bytes. Whatever escapes it is a crash; `Clumsy` is raised for a refusal that breaks its promise.
"""

from __future__ import annotations

import contextlib
import json
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from schemas import examples
from schemas.dead_letter import DeadLetterHeaders
from schemas.policy import InvalidPolicy, dump_policy, parse_policy
from tests.unit.inference.folders import CONFIG, TOKENIZER_CONFIG
from tests.unit.inference.words import tokenizer
from worker.batching import CloseReason, Wave
from worker.config import load
from worker.dead_letters.letters import Letter
from worker.dead_letters.replayed import Replayed
from worker.decision.domain import load_surprise
from worker.decision.policy import rule_for
from worker.errors import EmostreamError, PolicyError
from worker.events import EventRenderer, Provenance
from worker.inference.checkpoint import read_checkpoint
from worker.intake import Intake
from worker.pipeline import Pipeline, Routing
from worker.records import Encoded, Header, Membership, Outcome, Record
from worker.testing import FakeClock, StubClassifier

LONGEST_LINE = 2_000
MAX_VALUE_BYTES = 100_000
CLASSIFIER = StubClassifier()
CLOCK = FakeClock()


class Clumsy(AssertionError):
    """Refused, but not as promised."""


@dataclass(frozen=True)
class Target:
    """`seeds`: inputs that get far."""

    run: Callable[[bytes], None]
    seeds: tuple[bytes, ...]


def refused_well(error: Exception, *, secret: str = "") -> None:
    """One line for each problem, short and printable, that a log or a terminal can take."""
    said = str(error)
    for line in said.split("\n"):
        if not line.strip() or len(line) > LONGEST_LINE:
            raise Clumsy(f"{len(line)} characters") from error
        line.encode()
        if not line.isprintable():
            raise Clumsy(f"not printable: {line!r}") from error
    if secret and secret in said:
        raise Clumsy("the secret was told") from error


def _pipeline(format: str) -> Pipeline:
    renderer = EventRenderer(Provenance(CLASSIFIER.info, None, "group", "1.0"))
    return Pipeline(
        intake=Intake(format=format, pointer="/text", max_value_bytes=MAX_VALUE_BYTES),  # type: ignore[arg-type]
        classifier=CLASSIFIER,
        rule=rule_for(CLASSIFIER.info, None, min_confidence=0.5),
        renderer=renderer,
        fits=lambda outgoing: len(outgoing.value or b"") < 2 * MAX_VALUE_BYTES,
        routing=Routing(audit_rate=0.5),
        clock=CLOCK,
    )


PIPELINES = {format: _pipeline(format) for format in ("json", "text", "cloudevents")}


def record(format: str) -> Callable[[bytes], None]:
    """A record's headers, one in each line `name: value` before an empty one, then its value."""

    def run(data: bytes) -> None:
        headers, value = _split(data)
        place = Record("texts", 0, 7, 1_790_000_000_000, None, value, headers)
        pipeline = PIPELINES[format]
        (gathered,) = pipeline.gather([place])
        wave = Wave((gathered,), Membership(1, "member", None), CloseReason.DRAIN)
        processed = pipeline.process(wave)
        if processed.tally.outcomes.total() != 1 or not processed.publication.outgoing:
            raise Clumsy("not one outcome")
        for outgoing in processed.publication.outgoing:
            _checked(place, outgoing.value, outgoing.headers, dead=processed.tally.outcomes[Outcome.DEAD] == 1)

    return run


def _split(data: bytes) -> tuple[tuple[Header, ...], bytes | None]:
    head, empty, value = data.partition(b"\n\n")
    if not empty:
        return (), data or None
    headers: list[Header] = []
    for line in head.split(b"\n"):
        name, colon, content = line.partition(b": ")
        headers.append((name.decode(errors="surrogateescape"), content if colon else None))
    return tuple(headers), value


def _checked(place: Record, value: bytes | None, headers: tuple[Header, ...], *, dead: bool) -> None:
    if dead:
        own, ours = DeadLetterHeaders.split(headers)
        if len(ours.message) > LONGEST_LINE:
            raise Clumsy("a long message")
        if (tuple(own), value, place.offset) != (place.headers, place.value, ours.source_offset):
            raise Clumsy("the dead letter is not the record")
        letter = Letter.read(Record("dead", 0, 1, 0, None, value, headers))
        if letter is None:
            raise Clumsy("the dead letter cannot be read")
        return
    event = json.loads(value or b"")
    if event["id"] != place.id:
        raise Clumsy("not the record's event")


def dead_letter(data: bytes) -> None:
    """A record of the dead-letter topic, as `record` reads it."""
    headers, value = _split(data)
    letter = Letter.read(Record("dead", 0, 1, 0, None, value, headers))
    if letter is not None:
        _ = letter.headers_to_send


def offset_metadata(data: bytes) -> None:
    with contextlib.suppress(ValueError):
        replayed = Replayed.read(5, data.decode(errors="replace"))
        _ = 7 in replayed


@contextlib.contextmanager
def _file(name: str, data: bytes) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as folder:
        path = Path(folder) / name
        path.write_bytes(data)
        yield path


def configuration(data: bytes) -> None:
    with _file("worker.yaml", data) as path:
        try:
            load(path)
        except EmostreamError as error:
            refused_well(error)


def policy(data: bytes) -> None:
    try:
        found = parse_policy(data)
    except InvalidPolicy as error:
        refused_well(PolicyError(str(error)))
        return
    if parse_policy(dump_policy(found).encode()) != found:
        raise Clumsy("a policy that is not itself when it is written")
    with contextlib.suppress(EmostreamError):
        rule_for(CLASSIFIER.info, found, min_confidence=0.5)


def model_folder(changed: str) -> Callable[[bytes], None]:
    """A folder of which one file is these bytes."""
    files = {
        "config.json": json.dumps(CONFIG).encode(),
        "tokenizer_config.json": json.dumps(TOKENIZER_CONFIG).encode(),
        "tokenizer.json": tokenizer().to_str().encode(),
        "model.safetensors": b"weights",
    }

    def run(data: bytes) -> None:
        with _file(changed, data) as path:
            for name, content in files.items():
                if name != changed:
                    (path.parent / name).write_bytes(content)
            try:
                checkpoint = read_checkpoint(path.parent)
                encoded = checkpoint.text_encoder().encode(["w1 w2 w3 " * 50])
            except EmostreamError as error:
                refused_well(error)
                return
        for each in encoded:
            if isinstance(each, Encoded) and not 0 < len(each.ids) <= checkpoint.max_length:
                raise Clumsy(f"{len(each.ids)} tokens, although at most {checkpoint.max_length} were allowed")
        for label in checkpoint.labels:
            label.encode()

    return run


def surprise(data: bytes) -> None:
    with _file("surprise.npz", data) as path:
        try:
            load_surprise(path)
        except EmostreamError as error:
            refused_well(error)


def _event(**changes: object) -> bytes:
    event = {"specversion": "1.0", "id": "1", "source": "/a", "type": "t", "data": {"text": "so happy"}}
    return json.dumps(event | changes).encode()


BINARY_EVENT = b"ce_specversion: 1.0\nce_id: 1\nce_source: /a\nce_type: t\nce_time: 2026-11-21T10:00:00Z\n"
TABLE = Path(__file__).parents[2] / "worker" / "models" / "emotion-tiny" / "surprise.npz"

LETTER_HEADERS = b"\n".join(
    f"{name}: ".encode() + (value or b"") for name, value in examples.DEAD_LETTER_HEADERS.render()
)

TARGETS: dict[str, Target] = {
    "json record": Target(
        record("json"),
        (b'{"text": "so happy"}', b'trace: 1\n\n{"text": "\\ud83d\\ude00", "n": [1e5, {"a": null}]}', b'{"text": 1}'),
    ),
    "text record": Target(record("text"), (b"so happy", "ce_id: é\n\n😀".encode(), b"\xef\xbb\xbf")),
    "cloudevent record": Target(
        record("cloudevents"),
        (
            _event(),
            _event(data_base64="eyJ0ZXh0IjogImEifQ==", data=None),
            _event(datacontenttype="text/plain", data="so sad"),
            BINARY_EVENT + b'content-type: application/json\n\n{"text": "so happy"}',
            b"content-type: application/cloudevents+json; charset=utf-8\n\n" + _event(),
        ),
    ),
    "dead letter": Target(
        dead_letter,
        (b"emostream-replays: 3\n" + LETTER_HEADERS + b"\n\n{broken",),
    ),
    "offset metadata": Target(
        offset_metadata, (Replayed(5, ((7, 9), (12, 400))).metadata().encode(), b"1:c%0000", b"2:")
    ),
    "configuration": Target(
        configuration,
        (
            b"kafka:\n  group_id: a\n  input_topics: [a, b]\n  security: {protocol: SSL}\n",
            b"model: {name: builtin:emotion, precision: float32}\nbatch: {max_delay_s: 0.1}\nserver: {port: null}\n",
            b"a: &a [x, *a]\n? [b]\n: c\n",
        ),
    ),
    "policy": Target(
        policy, tuple(dump_policy(each).encode() for each in (examples.POLICY, examples.PER_LABEL_POLICY))
    ),
    "config.json": Target(model_folder("config.json"), (json.dumps(CONFIG).encode(),)),
    "tokenizer_config.json": Target(
        model_folder("tokenizer_config.json"),
        (json.dumps(TOKENIZER_CONFIG).encode(), b'{"pad_token": {"content": "[PAD]"}, "truncation_side": "left"}'),
    ),
    "tokenizer.json": Target(model_folder("tokenizer.json"), (tokenizer().to_str().encode(),)),
    "surprise.npz": Target(surprise, (TABLE.read_bytes(),)),
}
