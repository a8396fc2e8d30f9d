"""The catalogue of keys, read off the models: path, default, unit, range, how to choose; and the nearest to a typo."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import cache, reduce
from typing import Any

from worker.config.section import DELIMITER, PREFIX
from worker.config.settings import Settings

SECURITY = "kafka.security"
REGISTRY = "schema_registry"
PASSWORD = f"{SECURITY}.password"
_NEAR_ENOUGH = 0.6


@dataclass(frozen=True, slots=True)
class Key:
    """One leaf of the configuration; `path` is what the file says with dots, `choices` the words it takes, if few."""

    path: str
    default: object
    unit: str
    expected: str
    about: str
    choices: tuple[str, ...]

    @property
    def variable(self) -> str:
        """The environment variable that sets this key."""
        return variable(self.path)

    @property
    def secret(self) -> bool:
        return self.path == PASSWORD

    @property
    def sensitive(self) -> bool:
        """A wrong value may be a secret in the wrong place: not repeated in errors."""
        return self.path.startswith((f"{SECURITY}.", f"{REGISTRY}."))


def variable(path: str) -> str:
    return PREFIX + path.upper().replace(".", DELIMITER)


@cache
def catalogue() -> Mapping[str, Key]:
    """Every key by its path, in the order of the file."""
    schema = Settings.model_json_schema()
    return {key.path: key for key in _leaves(schema, path="", schema=schema, defaults=Settings())}


@cache
def sections() -> tuple[str, ...]:
    """Every path that is not a key but holds keys."""
    parents = (path.rpartition(".")[0] for path in catalogue())
    return tuple(dict.fromkeys(parents))


def lookup(settings: Settings, path: str) -> Any:
    """The value at a dotted path."""
    return reduce(getattr, path.split("."), settings)


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name most like this one (the first of equals), or None if none is near."""
    ratio, best = max(((_likeness(name, other), other) for other in known), key=lambda scored: scored[0])
    return best if ratio >= _NEAR_ENOUGH else None


def _likeness(name: str, other: str) -> float:
    """Like as a whole, or the right key in the wrong section."""
    whole = SequenceMatcher(None, name, other).ratio()
    leaf = SequenceMatcher(None, name.rpartition(".")[2], other.rpartition(".")[2]).ratio()
    return max(whole, 0.9 * leaf if leaf > 0.8 else 0.0)


def _leaves(node: Mapping[str, Any], *, path: str, schema: Mapping[str, Any], defaults: Settings) -> Iterator[Key]:
    for name, field in node["properties"].items():
        below = f"{path}.{name}" if path else name
        if "$ref" in field:
            section = schema["$defs"][field["$ref"].rpartition("/")[2]]
            yield from _leaves(section, path=below, schema=schema, defaults=defaults)
        else:
            yield Key(
                path=below,
                default=lookup(defaults, below),
                unit=field["x-unit"],
                expected=field.get("x-expected") or _expected(field),
                about=field["description"],
                choices=tuple(_choices(field)),
            )


def _choices(field: Mapping[str, Any]) -> Iterator[str]:
    for kind in field.get("anyOf", [field]):
        yield from kind.get("enum", ())
        if "const" in kind:
            yield kind["const"]


def _expected(field: Mapping[str, Any]) -> str:
    kinds = [kind for kind in field.get("anyOf", [field]) if kind.get("type") != "null"]
    words = list(_choices(field)) + [_range(kind) for kind in kinds if not {"enum", "const"} & set(kind)]
    if len(kinds) < len(field.get("anyOf", [field])):
        words.append("null")
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"


def _range(kind: Mapping[str, Any]) -> str:
    if kind["type"] == "boolean":
        return "true or false"
    if kind["type"] == "string":
        return "non-empty text" if kind.get("minLength") else "text"
    number = "a whole number" if kind["type"] == "integer" else "a number"
    if "exclusiveMinimum" in kind:
        return f"{number} above {kind['exclusiveMinimum']:g} up to {kind['maximum']:.12g}"
    return f"{number} from {kind['minimum']:g} to {kind['maximum']:.12g}"
