"""Whether waves are traced: by the standard OTEL_… variables, and off unless they name an endpoint.

Nothing of OpenTelemetry is imported unless it is wanted.
"""

from __future__ import annotations

from collections.abc import Mapping

from worker.clock import Clock
from worker.errors import ConfigError
from worker.tracing import UNTRACED, Tracing

ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
PROTOCOLS = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
SPOKEN = "http/protobuf"


def tracing_of(environ: Mapping[str, str], *, group_id: str, clock: Clock) -> Tracing:
    """How waves are traced. Raises ConfigError when tracing is wanted and cannot be."""
    endpoint = next((name for name in ENDPOINTS if environ.get(name)), None)
    if endpoint is None or _off(environ):
        return UNTRACED
    for name in PROTOCOLS:
        if environ.get(name, SPOKEN) not in ("", SPOKEN):
            raise ConfigError(f"{name}: {environ[name]} is not spoken here: set it to {SPOKEN} (port 4318, usually)")
    try:
        from worker.observability.otlp import OtlpTracing
    except ImportError:
        raise ConfigError(
            f"{endpoint} is set, but OpenTelemetry is not installed: pip install 'emostream[otel]', or set "
            "OTEL_SDK_DISABLED=true"
        ) from None
    try:
        return OtlpTracing(group_id=group_id, clock=clock)
    except ValueError as error:
        raise ConfigError(f"OpenTelemetry refuses its OTEL_… variables: {error}") from error


def _off(environ: Mapping[str, str]) -> bool:
    exporters = environ.get("OTEL_TRACES_EXPORTER") or "otlp"
    disabled = environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true"
    return disabled or "otlp" not in [name.strip() for name in exporters.split(",")]
