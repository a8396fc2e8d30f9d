"""What a policy file may say, how a mistake in it is told, and what its id stands on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from schemas import examples
from schemas.policy import InvalidPolicy, Policy, dump_policy, load_policy, parse_policy, policy_id

SINGLE: dict[str, Any] = json.loads(dump_policy(examples.POLICY))
MULTI: dict[str, Any] = json.loads(dump_policy(examples.PER_LABEL_POLICY))


def rule_of(**thresholds: float) -> dict[str, Any]:
    return {"kind": "per_label_thresholds", "thresholds": thresholds}


def changed(policy: dict[str, Any], path: str, value: object) -> bytes:
    """The policy with one key set; `path` is dotted."""
    document = json.loads(json.dumps(policy))
    *parents, last = path.split(".")
    place = document
    for parent in parents:
        place = place[parent]
    place[last] = value
    return json.dumps(document).encode()


def without(policy: dict[str, Any], key: str) -> bytes:
    return json.dumps({name: value for name, value in policy.items() if name != key}).encode()


@pytest.mark.parametrize("policy", [examples.POLICY, examples.PER_LABEL_POLICY])
def test_written_policy_is_read_again(policy: Policy, tmp_path: Path) -> None:
    """A policy that was written to a file comes back equal, with the same id."""
    path = tmp_path / "policy.json"
    path.write_text(dump_policy(policy))

    loaded = load_policy(path)

    assert (policy, policy_id(policy)) == (loaded, policy_id(loaded))


def test_id_stands_on_what_is_said_and_not_on_how() -> None:
    """Order of keys, spaces, the form of numbers and keys that are null do not change a policy's id."""
    document = {key: value for key, value in reversed(MULTI.items()) if value is not None}
    document["temperature"] = 1
    document["created_at"] = "2026-11-20T10:30:00+01:00"

    parsed = parse_policy(json.dumps(document, indent=7).encode())

    assert policy_id(examples.PER_LABEL_POLICY) == policy_id(parsed)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("model.revision", "sha256:other"),
        ("engine.precision", "int8"),
        ("temperature", 1.32),
        ("rule.min_confidence", 0.63),
        ("guarantee", None),
        ("guarantee.bound", 0.05),
        ("labels", ["joy", "sadness", "love", "anger", "fear", "surprise"]),
        ("created_at", "2026-11-20T09:30:01Z"),
    ],
)
def test_id_changes_with_every_value(path: str, value: object) -> None:
    """Whatever a policy says is part of its id."""
    parsed = parse_policy(changed(SINGLE, path, value))

    assert policy_id(examples.POLICY) != policy_id(parsed)


def test_id_is_pinned() -> None:
    """The canonical form is public: ids in old events must go on naming the same files."""
    assert "sha256:0b18218b0a1ae8be25c70e36580eee5a7a4367088d297980380645e1ffc20dad" == policy_id(examples.POLICY)


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (changed(SINGLE, "temprature", 1), "temprature: unknown key"),
        (changed(SINGLE, "model.id", "x"), "model.id: unknown key"),
        (changed(SINGLE, "rule.threshold", 0.5), "rule.threshold: unknown key"),
        (changed(SINGLE, "schema", "emostream.policy/2"), "schema: should be 'emostream.policy/1'"),
        (without(SINGLE, "schema"), "schema: missing"),
        (without(SINGLE, "engine"), "engine: missing"),
        (changed(SINGLE, "model", {}), "model.name: missing (and 1 more)"),
        (changed(SINGLE, "temperature", 0), "temperature: should be greater than 0"),
        (changed(SINGLE, "temperature", -1.5), "temperature: should be greater than 0"),
        (changed(SINGLE, "temperature", float("nan")), "temperature: should be greater than 0"),
        (changed(SINGLE, "temperature", float("inf")), "temperature: must be a finite number"),
        (changed(SINGLE, "temperature", "1.2"), "temperature: should be a valid number"),
        (changed(SINGLE, "temperature", True), "temperature: should be a valid number"),
        (changed(SINGLE, "task", "both"), "task: should be 'single_label' or 'multi_label'"),
        (changed(SINGLE, "labels", []), "labels: "),
        (changed(SINGLE, "labels", ["joy", "fear", "joy"]), "labels: named twice: 'joy'"),
        (changed(SINGLE, "labels", [""]), "labels.0: "),
        (changed(SINGLE, "created_at", "2026-11-20T09:30:00"), "created_at: needs a time zone"),
        (changed(SINGLE, "created_at", 1_795_255_200), "created_at: "),
        (changed(SINGLE, "guarantee.target_risk", 0), "guarantee.target_risk: should be greater than 0"),
        (changed(SINGLE, "guarantee.calibration_size", 0), "guarantee.calibration_size: "),
        (changed(SINGLE, "rule.min_confidence", 1.01), "rule.min_confidence: should be less than or equal to 1"),
        (changed(SINGLE, "rule.min_confidence", float("nan")), "rule.min_confidence: "),
        (changed(SINGLE, "rule", {"kind": "magic"}), "rule: no such kind 'magic', known are 'argmax', "),
        (changed(SINGLE, "rule", {"min_confidence": 0.5}), "rule: missing 'kind'"),
        (changed(SINGLE, "rule", None), "rule: "),
        (
            changed(SINGLE, "task", "multi_label"),
            "rule.kind: argmax is for single_label models, this one is multi_label",
        ),
        (changed(MULTI, "task", "single_label"), "rule.kind: per_label_thresholds is for multi_label models, "),
        (
            changed(MULTI, "rule.thresholds.billing", -0.1),
            "rule.thresholds.billing: should be greater than or equal to 0",
        ),
        (changed(MULTI, "rule", rule_of(billing=1, delivery=0)), "rule.thresholds: no threshold for 'praise'"),
        (
            changed(MULTI, "rule", rule_of(billing=1, delivery=0, praise=1, x=1)),
            "rule.thresholds: not a label of the model: 'x'",
        ),
        (
            changed(MULTI, "labels", [f"label {n}" for n in range(28)]),
            "rule.thresholds: no threshold for 'label 0', 'label 1', ",
        ),
        (
            dump_policy(examples.POLICY).replace('"task"', '"task": "multi_label", "task"').encode(),
            "not a JSON document: key named twice: 'task'",
        ),
        (b"", "not a JSON document: "),
        (b"\xff\xfe", "not a JSON document: "),
        (b"[" * 100_000, "not a JSON document: "),
        (b"null", "should be an object"),
        (b'{"schema": "\\ud800"}', ""),
        (b'{"schema": ' + b"9" * 5000 + b"}", ""),
    ],
)
def test_mistake_is_one_line(content: bytes, line: str, tmp_path: Path) -> None:
    """A file that is no policy is refused in one line that names the file, the key and what is wrong."""
    path = tmp_path / "policy.json"
    path.write_bytes(content)

    with pytest.raises(InvalidPolicy) as refusal:
        load_policy(path)

    assert str(refusal.value).startswith(f"{path}: {line}")
    assert 1 == len(str(refusal.value).splitlines())


@pytest.mark.parametrize("name", ["missing.json", "."])
def test_unreadable_file_is_one_line(name: str, tmp_path: Path) -> None:
    """A file that cannot be opened is refused like one that says nonsense."""
    with pytest.raises(InvalidPolicy, match=r"^\S+: (No such file or directory|Is a directory)$"):
        load_policy(tmp_path / name)


def test_policy_is_frozen() -> None:
    """A policy cannot change after it was checked."""
    with pytest.raises(ValueError, match="frozen"):
        examples.POLICY.temperature = 2.0  # type: ignore[misc]


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
PATHS = ("schema", "model", "model.name", "engine", "task", "labels", "temperature", "rule", "rule.kind", "created_at")


@settings(deadline=None)
@given(path=st.sampled_from(PATHS), value=JSON_VALUES)
@example(path="rule.kind", value=[])
def test_any_value_is_taken_or_refused(path: str, value: object) -> None:
    """Whatever a key says, the file is a policy or refused, and a policy can be written."""
    try:
        policy = parse_policy(changed(SINGLE, path, value))
    except InvalidPolicy:
        return

    assert policy == parse_policy(dump_policy(policy).encode())


@pytest.mark.parametrize(
    "written", ["0728-11-20T09:30:00.000Z", "0001-01-01T00:00:00.000Z", "9999-12-31T23:59:59.999Z"]
)
def test_times_at_the_ends_of_the_calendar(written: str) -> None:
    """They are written as they were read."""
    policy = parse_policy(changed(SINGLE, "created_at", written))

    assert policy == parse_policy(dump_policy(policy).encode())


@pytest.mark.parametrize("written", ["9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00+14:00"])
def test_times_beyond_the_calendar(written: str) -> None:
    """They have no UTC, and are refused."""
    with pytest.raises(InvalidPolicy, match="between the years 1 and 9999"):
        parse_policy(changed(SINGLE, "created_at", written))
