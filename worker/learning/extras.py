"""The optional packages that learning needs, asked for in one line instead of a traceback."""

from __future__ import annotations

from importlib.util import find_spec

from worker.errors import ConfigError

TRAINING = ("torch", "transformers", "safetensors", "sklearn")
CALIBRATION = ("scipy",)
EXPORT = ("torch", "transformers", "nncf")
REPORTS = ("jinja2", "matplotlib")


def require(packages: tuple[str, ...], *, purpose: str) -> None:
    """Raise ConfigError when one of `packages` is missing."""
    missing = [package for package in packages if find_spec(package) is None]
    if missing:
        raise ConfigError(f"{purpose} needs {', '.join(missing)}: pip install 'emostream[learning]'")
