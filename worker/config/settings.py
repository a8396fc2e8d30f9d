"""Every setting: its name, type, default, unit, range and how to choose it (`kafka` in a module of its own).

All models are frozen and refuse unknown keys. `Settings(...)` reads neither files nor the environment: `loading` does.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from worker.config.kafka_section import KafkaSettings
from worker.config.registry_section import RegistrySettings
from worker.config.section import Name, Section, key


class ModelSettings(Section):
    """Which model, and on what it runs."""

    name: Name = key(
        "builtin:emotion",
        "The classifier. Start with a builtin one (emotion, ekman, goemotions, emotion-tiny); give a folder or a Hub "
        "id for your own labels.",
        expected="builtin:NAME, a folder in Hugging Face format, or a Hub id",
    )
    revision: Name | None = key(
        None,
        "Hub revision (commit, tag or branch). Give a commit in production, so that a restart cannot change the model; "
        "the resolved one is in every event.",
    )
    backend: Literal["auto", "torch", "openvino"] = key(
        "auto",
        "What runs the model. auto takes torch on a GPU and OpenVINO on a CPU, where it is 1.4 to 2.2 times as fast; "
        "choose torch on a CPU only to compare.",
    )
    device: str = key(
        "auto",
        "Where the model runs. auto takes a GPU if torch sees one; name one (cuda:1) when workers share a host.",
        expected="auto, cpu, cuda or cuda:N",
        pattern=r"^(auto|cpu|cuda(:[0-9]+)?)$",
    )
    precision: Literal["auto", "float32", "bfloat16", "float16", "int8"] = key(
        "auto",
        "Number format of the forward pass. auto takes the fastest that keeps the probabilities; int8 is never chosen "
        "by auto, because it moves them: calibrate a policy on int8 before you use it.",
    )


class InferenceSettings(Section):
    """How much of the machine one forward pass gets."""

    max_batch_tokens: Annotated[int, Field(ge=16, le=4_194_304)] | Literal["auto"] = key(
        "auto",
        "Tokens of one pass, with padding. auto probes at warm-up; set it when other programs share the GPU's memory.",
        unit="tokens",
    )
    max_batch_size: int = key(
        256,
        "Texts of one forward pass, whatever their length. Lower it only if the backend is slow with many short texts.",
        unit="texts",
        ge=1,
        le=8192,
    )
    workers: Annotated[int, Field(ge=1, le=256)] | Literal["auto"] = key(
        "auto",
        "Inference threads. auto takes many of one core for small models, one of many cores for large ones, and two on "
        "a GPU; set it to share a machine.",
        unit="threads",
    )
    cache_size: int = key(
        10_000,
        "Predictions kept for repeated texts; 0 turns it off. Raise it if the stream repeats itself (about 1 kB each), "
        "turn it off if it never does.",
        unit="predictions",
        ge=0,
        le=10_000_000,
    )


class InputSettings(Section):
    """Where the text is in a record."""

    format: Literal["json", "text", "cloudevents"] = key(
        "json",
        "What a record's value is. cloudevents takes binary and structured mode; text takes the whole value as UTF-8.",
    )
    text: str = key(
        "/text",
        "Where the text is, for json and cloudevents (there: in the data). An empty pointer means that the whole value "
        "is a JSON string.",
        expected="a JSON pointer (RFC 6901), e.g. /comment/body",
        pattern=r"^(/([^/~]|~[01])*)*$",
    )
    max_value_bytes: int = key(
        262_144,
        "Larger records are dead-lettered. Keep it, with some room for the scores, under the outgoing topics' "
        "max.message.bytes (1 MiB by default).",
        unit="bytes",
        ge=1,
        le=104_857_600,
    )


class BatchSettings(Section):
    """When a wave closes: at `max_messages` or `max_tokens`, or before that once the model is free (`max_delay_s`)."""

    max_messages: int = key(
        512,
        "Records of one wave, which is one transaction. A commit costs as much as 100-300 records, so do not go far "
        "below that under load.",
        unit="records",
        ge=1,
        le=100_000,
    )
    max_tokens: int = key(
        32_768,
        "Real tokens of one wave. It bounds memory and the time of a wave when texts are long.",
        unit="tokens",
        ge=1,
        le=100_000_000,
    )
    max_delay_s: float = key(
        0.02,
        "How long a free model may leave the first record of a wave waiting for others: a bound, not a pause. It takes "
        "what there is before, as soon as waiting gains nothing; while it is busy, a wave goes on growing. Raise it "
        "for larger waves, lower it for latency.",
        unit="seconds",
        ge=0.001,
        le=10,
    )


class DecisionSettings(Section):
    """How a prediction becomes accepted or abstained."""

    policy: Path | None = key(
        None,
        "Policy file. null: the model's own policy.json if it has one, else the most likely label (single-label) or "
        "the labels at 0.5 (multi-label). A changed file is taken over between two waves, within seconds.",
        expected="a readable file or null",
    )
    min_confidence: float = key(
        0.5,
        "Without any policy: abstain below it. Higher means fewer and surer answers; a policy chooses it from data.",
        unit="probability",
        ge=0,
        le=1,
    )
    publish_abstained: bool = key(
        False, "true: the output topic also gets an event for abstained records (outcome: abstained)."
    )
    audit_rate: float = key(
        0.0,
        "Share of accepted records copied to the review topic, chosen by a hash of the record's identity. 0.01 is "
        "enough to watch quality on a busy stream.",
        unit="share",
        ge=0,
        le=1,
    )


class DeadLetterSettings(Section):
    """When so many records are bad that the fault is not theirs, and the worker stops with exit 3."""

    max_ratio: float = key(
        0.5,
        "Stop when more than this share of the last `window` records is dead. 1 never stops; 0 stops at the first.",
        unit="share",
        ge=0,
        le=1,
    )
    window: int = key(
        1000,
        "Over how many records max_ratio is taken. Longer forgives longer bursts of bad records.",
        unit="records",
        ge=1,
        le=1_000_000,
    )


class ServerSettings(Section):
    """/metrics, /livez and /readyz."""

    host: Name = key(
        "0.0.0.0",  # noqa: S104 (probes and Prometheus come from outside the pod)
        "Address to listen on. 127.0.0.1 keeps others out where no probe or Prometheus comes over the network.",
        expected="an address or host name of this machine",
    )
    port: Annotated[int, Field(ge=1, le=65_535)] | None = key(
        9100, "Port to listen on; null: off. Give each worker on a host its own."
    )
    stall_timeout_s: float = key(
        120.0,
        "/livez fails after so long without progress. Longer than the longest sensible forward pass: a wave of the "
        "default size takes a base-size model about a minute on two cores.",
        unit="seconds",
        ge=1,
        le=86_400,
    )


class ShutdownSettings(Section):
    """What happens at SIGTERM."""

    drain_timeout_s: float = key(
        25.0,
        "How long the records in hand may take to be finished and committed. Less than the supervisor's patience "
        "(Kubernetes: terminationGracePeriodSeconds, 30 by default).",
        unit="seconds",
        gt=0,
        le=3600,
    )


class LoggingSettings(Section):
    """What is written to standard error. Never message text."""

    level: Literal["debug", "info", "warning", "error"] = key(
        "info", "The least level shown. info has one line for each wave; warning is quiet while all is well."
    )
    format: Literal["auto", "json", "console"] = key("auto", "auto: for people on a terminal, JSON lines elsewhere.")


class Settings(BaseSettings):
    """Everything the worker can be told, validated and frozen. `worker.config.load` reads it and checks files too."""

    model_config = SettingsConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, title="emostream")

    model: ModelSettings = Field(default_factory=ModelSettings)
    inference: InferenceSettings = Field(default_factory=InferenceSettings)
    kafka: KafkaSettings = Field(default_factory=KafkaSettings)
    input: InputSettings = Field(default_factory=InputSettings)
    batch: BatchSettings = Field(default_factory=BatchSettings)
    decision: DecisionSettings = Field(default_factory=DecisionSettings)
    dead_letter: DeadLetterSettings = Field(default_factory=DeadLetterSettings)
    schema_registry: RegistrySettings = Field(default_factory=RegistrySettings)
    server: ServerSettings = Field(default_factory=ServerSettings)
    shutdown: ShutdownSettings = Field(default_factory=ShutdownSettings)
    logging: LoggingSettings = Field(default_factory=LoggingSettings)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 (the signature is the library's)
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Only what is given: files and environment are read in one place, `load`, with the origin of each key kept."""
        return (init_settings,)
