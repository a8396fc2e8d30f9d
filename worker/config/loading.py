"""From a YAML file and the environment to `Settings`, with the origin of each key; or all that is wrong, a line each.

The environment wins over the file, the file over the defaults. Nothing else in the program reads settings from either.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_settings import EnvSettingsSource

from worker.config import rules
from worker.config.keys import PASSWORD, Key, catalogue, nearest, sections, variable
from worker.config.section import DELIMITER, PREFIX
from worker.config.settings import Settings
from worker.config.yaml_file import read_yaml
from worker.errors import ConfigError

Values = dict[str, Any]

# What Kubernetes injects into every pod beside a Service whose name begins with "emostream".
_SERVICE_LINK = re.compile(r"(_SERVICE_(HOST|PORT)(_\w+)?|_PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)$")
_SERVICE_ADDRESS = re.compile(r"^(tcp|udp|sctp)://")


# what people know from other clients, left out on purpose
_STATIC_MEMBERSHIP = "kafka.group_instance_id"
_REFUSED = dict.fromkeys(
    (_STATIC_MEMBERSHIP, variable(_STATIC_MEMBERSHIP)),
    "static membership is refused: a member displaced by another with its id would read nothing and not notice; "
    "leave it out",
)


class Source(StrEnum):
    """Where the value of a key comes from."""

    DEFAULT = "default"
    FILE = "file"
    ENVIRONMENT = "environment"


@dataclass(frozen=True, slots=True)
class Loaded:
    """Settings, and for each key's path where its value comes from."""

    settings: Settings
    sources: Mapping[str, Source]


def load(path: Path | None = None) -> Settings:
    """The settings of the file (None: no file) and the environment; files they name exist.

    Raises ConfigError with one line for each problem.
    """
    return load_with_sources(path).settings


def load_with_sources(path: Path | None = None) -> Loaded:
    """As `load`, with the origin of every key."""
    problems: list[str] = []
    filed = _from_file(path, problems) if path is not None else {}
    exported = _from_environment(problems)
    sources = dict.fromkeys(catalogue(), Source.DEFAULT)
    sources |= dict.fromkeys(_paths(filed), Source.FILE) | dict.fromkeys(_paths(exported), Source.ENVIRONMENT)
    try:
        settings = Settings(**_merged(filed, exported))
    except ValidationError as error:
        raise ConfigError("\n".join([*problems, *_bad_values(error, sources)])) from None
    problems = problems or list(rules.problems(settings))
    if problems:
        raise ConfigError("\n".join(problems))
    return Loaded(settings, sources)


def _from_file(path: Path, problems: list[str]) -> Values:
    return _known_only(read_yaml(path), path="", problems=problems)


def _known_only(values: Mapping[Any, Any], *, path: str, problems: list[str]) -> Values:
    """The part that the catalogue knows; a problem for each other key."""
    kept: Values = {}
    for name, value in values.items():
        below = f"{path}.{name}" if path else str(name)
        if below == PASSWORD:
            problems.append(f"{below}: not accepted in the file; set password_file, or {variable(PASSWORD)}")
        elif below in catalogue():
            kept[name] = value
        elif below not in sections():
            problems.append(_unknown(below, what="key", known=(*catalogue(), *sections())))
        elif isinstance(value, Mapping):
            kept[name] = _known_only(value, path=below, problems=problems)
        elif value is not None:
            problems.append(f"{below}: got {_kind(value)}, expected a section with keys of its own")
    return kept


def _from_environment(problems: list[str]) -> Values:
    known = {key.variable for key in catalogue().values()}
    for name, value in sorted(os.environ.items()):
        if name.startswith(PREFIX) and name not in known and not _is_service_link(name, value):
            problems.append(_unknown(name, what="variable", known=sorted(known)))
    source = EnvSettingsSource(
        Settings, env_prefix=PREFIX, env_nested_delimiter=DELIMITER, env_parse_none_str="null", env_ignore_empty=True
    )
    source.env_vars = {name: value for name, value in source.env_vars.items() if name.upper() in known}
    return source()


def _is_service_link(name: str, value: str) -> bool:
    if DELIMITER in name:
        return False
    return bool(_SERVICE_LINK.search(name) or (name.endswith("_PORT") and _SERVICE_ADDRESS.match(value)))


def _unknown(name: str, *, what: str, known: tuple[str, ...] | list[str]) -> str:
    if name in _REFUSED:
        return f"{name}: {_REFUSED[name]}"
    suggestion = nearest(name, known)
    return f"{name}: unknown {what}; " + (
        f"did you mean {suggestion}?" if suggestion else "see emostream config schema"
    )


def _paths(values: Mapping[str, Any], path: str = "") -> Iterator[str]:
    for name, value in values.items():
        below = f"{path}.{name}" if path else name
        if below in sections():
            yield from _paths(value, below)
        else:
            yield below


def _merged(under: Values, over: Values) -> Values:
    merged = under | over
    for name in under.keys() & over.keys():
        if isinstance(under[name], dict) and isinstance(over[name], dict):
            merged[name] = _merged(under[name], over[name])
    return merged


def _bad_values(error: ValidationError, sources: Mapping[str, Source]) -> list[str]:
    """One line for each key, in the order of the file, whatever pydantic tried on it."""
    lines: dict[str, str] = {}
    for detail in error.errors(include_url=False, include_context=False):
        key = _key_of(detail["loc"])
        name = key.variable if sources[key.path] is Source.ENVIRONMENT else key.path
        lines.setdefault(key.path, f"{name}: got {_given(key, detail['input'])}, expected {key.expected}")
    return [lines[path] for path in catalogue() if path in lines]


def _key_of(location: tuple[int | str, ...]) -> Key:
    """The key that pydantic's location is in; it goes on with list positions and the arms of unions."""
    parts = [str(part) for part in location]
    paths = (".".join(parts[:length]) for length in range(len(parts), 0, -1))
    return next(catalogue()[path] for path in paths if path in catalogue())


def _given(key: Key, value: object) -> str:
    """The type, and the value where it cannot be a secret: numbers, and words where there are few to choose from."""
    kind = _kind(value)
    if key.sensitive:
        return kind
    if isinstance(value, int | float) and not isinstance(value, bool):
        return f"the number {value:.12g}" if abs(value) < 1e100 or isinstance(value, float) else kind
    if isinstance(value, str) and key.choices:
        suggestion = nearest(value.lower(), key.choices)
        return f"{kind} (did you mean {suggestion}?)" if suggestion else kind
    return kind


def _kind(value: object) -> str:
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    names = {int: "a number", float: "a number", str: "text", list: "a list", dict: "a section"}
    return names.get(type(value), type(value).__name__)
