"""A profile as it is written down: settings as YAML for `emostream run --config`, everything as JSON values. Pure."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Final

import yaml

from worker.errors import printable
from worker.profiling.machine import Machine
from worker.profiling.profile import Profile
from worker.profiling.remainder import KAFKA_CLIENT_S, worker_rate
from worker.profiling.settings import Setting
from worker.profiling.turns import WAVE, Measurement

SCHEMA: Final = "emostream.bench/1"


@dataclass(frozen=True, slots=True)
class Subject:
    """What was measured, where and when (a date)."""

    model: str
    revision: str | None
    machine: Machine
    date: str


def estimated_worker_rate(profile: Profile, machine: Machine) -> float:
    """Records per second of one worker with the recommended settings."""
    recommended = profile.recommended
    return worker_rate(
        engine_rate=recommended.rate,
        remainder_s=profile.remainder_s,
        cpus=machine.cpus,
        on_cuda=recommended.setting.on_cuda,
    )


def settings_yaml(profile: Profile, subject: Subject) -> str:
    """The recommended settings; comments say what they were measured to do."""
    recommended = profile.recommended
    setting = recommended.setting
    model = {
        "name": subject.model,
        "revision": subject.revision,
        "backend": setting.backend,
        "device": setting.device,
        "precision": setting.precision,
    }
    sections = {
        "model": {key: value for key, value in model.items() if value is not None},
        "inference": {
            "max_batch_tokens": setting.max_batch_tokens or "auto",
            "workers": setting.workers or "auto",
        },
    }
    return (
        f"# emostream bench, {subject.date}: {printable(subject.machine.words)}\n"
        f"# {recommended.rate:,.0f} texts/s ({recommended.slowest:,.0f} to {recommended.fastest:,.0f})\n"
    ) + yaml.safe_dump(sections, sort_keys=False, allow_unicode=True)


def as_values(profile: Profile, subject: Subject) -> dict[str, Any]:
    """Everything, for programs. Rates are texts per second, one for each turn."""
    return {
        "schema": SCHEMA,
        "model": {"name": subject.model, "revision": subject.revision},
        "machine": asdict(subject.machine),
        "date": subject.date,
        "texts": profile.texts,
        "wave": WAVE,
        "reference": profile.reference.engine if profile.reference else None,
        "engines": [_values(each) for each in profile.engines],
        "skipped": [_setting(each.setting) | {"reason": each.reason} for each in profile.skipped],
        "workers": [_values(each) for each in profile.workers],
        "max_batch_tokens": [_values(each) for each in profile.budgets],
        "recommended": _setting(profile.recommended.setting),
        "worker": {
            "records_per_s": round(estimated_worker_rate(profile, subject.machine), 1),
            "measured_s_per_record_beside_the_model": profile.remainder_s,
            "assumed_s_per_record_in_the_kafka_client": KAFKA_CLIENT_S,
        },
    }


def _values(measured: Measurement) -> dict[str, Any]:
    return {
        **_setting(measured.setting),
        "budget": measured.budget,
        "texts_per_s": round(measured.rate, 1),
        "turns": [round(turn.rate, 1) for turn in measured.turns],
        "padding_ratio": round(measured.padding_ratio, 4),
        "tokens_per_text": round(measured.tokens_per_text, 2),
        "agreement": asdict(measured.agreement) if measured.agreement else None,
    }


def _setting(setting: Setting) -> dict[str, Any]:
    automatic = {"workers": setting.workers or "auto", "max_batch_tokens": setting.max_batch_tokens or "auto"}
    return asdict(setting) | automatic
