"""Settings: what can be set (`settings`), where it is read from (`loading`), and what must agree (`rules`)."""

from worker.config.kafka_section import KafkaSettings, SecuritySettings
from worker.config.loading import Loaded, Source, load, load_with_sources
from worker.config.registry_section import RegistrySettings
from worker.config.settings import (
    BatchSettings,
    DeadLetterSettings,
    DecisionSettings,
    InferenceSettings,
    InputSettings,
    LoggingSettings,
    ModelSettings,
    ServerSettings,
    Settings,
    ShutdownSettings,
)

__all__ = [
    "BatchSettings",
    "DeadLetterSettings",
    "DecisionSettings",
    "InferenceSettings",
    "InputSettings",
    "KafkaSettings",
    "Loaded",
    "LoggingSettings",
    "ModelSettings",
    "RegistrySettings",
    "SecuritySettings",
    "ServerSettings",
    "Settings",
    "ShutdownSettings",
    "Source",
    "load",
    "load_with_sources",
]
