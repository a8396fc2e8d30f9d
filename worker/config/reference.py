"""Settings for people and programs: the effective values with their origin, the JSON Schema, the page of all keys."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from pydantic import SecretStr

from worker.config.keys import PASSWORD, Key, catalogue, lookup, sections, variable
from worker.config.loading import Loaded
from worker.config.settings import Settings

_HEAD = f"""# Configuration

Made from the settings' own models by `python -m worker.config`; do not edit.

One YAML file (`--config FILE`), the environment, or both: the environment wins over the file, the file over the
defaults. `emostream config check FILE` says what is wrong, `emostream config show FILE` which value comes from where,
`emostream config schema` prints the JSON Schema of the file for editors and other programs.

- Every key can be set by the environment: `kafka.group_id` is `{variable("kafka.group_id")}`, `{PASSWORD}` is
  `{variable(PASSWORD)}`. Lists are JSON or names between commas; `null` is null; an empty variable
  counts as not set.
- Unknown keys and unknown variables that begin with `EMOSTREAM_` are errors. The variables that Kubernetes makes for a
  Service called `emostream…` are let through.
- Secrets come from files or the environment only, and are never printed. Relative paths start at the working directory.
- Durations are in seconds and end in `_s`, sizes in bytes and end in `_bytes`.
"""


def effective(loaded: Loaded) -> str:
    """Every key with its value as YAML, which can be used as a file again, and its origin as a comment."""
    lines: list[tuple[str, str]] = []
    for key in catalogue().values():
        lines += [(line, "") for line in _section_heads(key, lines)]
        value = lookup(loaded.settings, key.path)
        name = key.path.rpartition(".")[2]
        if isinstance(value, SecretStr):
            lines.append((f"{_indent(key.path)}# {name}: set, not shown", str(loaded.sources[key.path])))
        elif not key.secret:
            lines.append((f"{_indent(key.path)}{name}: {as_yaml(value)}", str(loaded.sources[key.path])))
    width = min(max(len(line) for line, _ in lines), 60)
    return "\n".join(f"{line:<{width}}  # {source}" if source else line for line, source in lines)


def json_schema() -> dict[str, Any]:
    """JSON Schema (2020-12) of the file: what only the environment may set is not in it."""
    schema = Settings.model_json_schema()
    del schema["$defs"]["SecuritySettings"]["properties"][PASSWORD.rpartition(".")[2]]
    return {"$schema": "https://json-schema.org/draft/2020-12/schema"} | schema


def page() -> str:
    """docs/configuration.md."""
    return "\n".join([_HEAD, *(_section_page(section) for section in sections())])


def as_yaml(value: object) -> str:
    """A value in one line of YAML."""
    if isinstance(value, tuple):
        value = list(value)
    if isinstance(value, Path):
        value = str(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(yaml.safe_dump(value, default_flow_style=True, width=10**6)).removesuffix("\n...\n").strip()


def _section_page(section: str) -> str:
    rows = [_row(key) for key in catalogue().values() if key.path.rpartition(".")[0] == section]
    about = (_model(section).__doc__ or "").partition("\n")[0]
    head = "| key | default | unit | range | how to choose |\n|---|---|---|---|---|"
    return "\n".join([f"## {section}\n", f"{about}\n", head, *rows, ""])


def _row(key: Key) -> str:
    name = key.path.rpartition(".")[2]
    cells = [f"`{name}`", f"`{as_yaml(key.default)}`", key.unit or "-", key.expected, key.about]
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _model(section: str) -> type:
    return type(lookup(Settings(), section))


def _section_heads(key: Key, before: list[tuple[str, str]]) -> Iterator[str]:
    """The lines that open the sections of this key and are not there yet."""
    parts = key.path.split(".")[:-1]
    for depth, name in enumerate(parts):
        line = f"{'  ' * depth}{name}:"
        if (line, "") not in before:
            yield line


def _indent(path: str) -> str:
    return "  " * path.count(".")
