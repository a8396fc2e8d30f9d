"""The profile as it is written down."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest

from tests.unit.profiling.engines import measured
from worker.config import load
from worker.profiling.document import Subject, as_values, estimated_worker_rate, settings_yaml
from worker.profiling.machine import Machine
from worker.profiling.profile import Profile, Skipped
from worker.profiling.settings import Setting

OPERATING = Path(__file__).parents[3] / "docs" / "operating.md"
REFERENCE = Setting("torch", "cpu", "float32")
CHOSEN = Setting("openvino", "cpu", "bfloat16", workers=2, max_batch_tokens=1024)
AUTOMATIC = Setting("openvino", "cpu", "bfloat16")
SUBJECT = Subject("builtin:emotion", None, Machine("a processor\x1b[31m", 2, 0.1), "2026-11-21")


def profile_of(*settings: Setting) -> Profile:
    rows = tuple(measured(setting, 1000 + 500 * place, 1001 + 500 * place) for place, setting in enumerate(settings))
    skipped = (Skipped(Setting("torch", "cuda", "bfloat16"), "there is none"),)
    return Profile(600, (measured(REFERENCE, 500),), skipped, REFERENCE, rows, rows, remainder_s=50e-6)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [((AUTOMATIC, CHOSEN), (2, 1024)), ((AUTOMATIC,), ("auto", "auto"))],
    ids=["clearly faster", "as it is"],
)
def test_the_worker_takes_the_settings(
    settings: tuple[Setting, ...], expected: tuple[object, object], tmp_path: Path
) -> None:
    """`emostream run --config` reads the very text that was printed."""
    path = tmp_path / "tuned.yaml"
    path.write_text(settings_yaml(profile_of(*settings), SUBJECT))

    loaded = load(path)

    assert ("builtin:emotion", "openvino", "cpu", "bfloat16") == (
        loaded.model.name,
        loaded.model.backend,
        loaded.model.device,
        loaded.model.precision,
    )
    assert expected == (loaded.inference.workers, loaded.inference.max_batch_tokens)


def test_the_documented_sample_is_one(tmp_path: Path) -> None:
    """The settings shown in docs/operating.md can be used."""
    section = OPERATING.read_text(encoding="utf-8").partition("### A profile of a machine")[2]
    path = tmp_path / "tuned.yaml"
    path.write_text(section.partition("```yaml\n")[2].partition("```")[0])

    assert "builtin:emotion-tiny" == load(path).model.name


def test_the_settings_say_what_they_were_measured_to_do() -> None:
    """In comments; what the machine calls itself cannot break out of one."""
    text = settings_yaml(profile_of(AUTOMATIC, CHOSEN), SUBJECT)

    assert "# 1,500 texts/s (1,500 to 1,501)" in text
    assert "\x1b" not in text


def test_programs_get_every_turn() -> None:
    """JSON with rates of each turn, what was skipped and why, and what is recommended."""
    values = orjson.loads(orjson.dumps(as_values(profile_of(AUTOMATIC, CHOSEN), SUBJECT)))

    assert "emostream.bench/1" == values["schema"]
    assert [1500.0, 1501.0] == values["workers"][1]["turns"]
    assert "there is none" == values["skipped"][0]["reason"]
    assert (2, 1024) == (values["recommended"]["workers"], values["recommended"]["max_batch_tokens"])
    assert (
        round(estimated_worker_rate(profile_of(AUTOMATIC, CHOSEN), SUBJECT.machine), 1)
        == (values["worker"]["records_per_s"])
    )
