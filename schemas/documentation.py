"""The generated parts of docs/formats.md: examples, tables of fields and tables of reasons.

`python -m schemas.documentation docs/formats.md` writes them anew, each between its two marker lines:
`<!-- generated: NAME -->` and `<!-- end -->`.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, get_args

from pydantic import BaseModel

from schemas import examples
from schemas.dead_letter import DEAD_REASON_MEANINGS
from schemas.enriched import ENRICHED_SCHEMA
from schemas.json_schema import DEAD_LETTER_HEADERS_SCHEMA, EVENT_HEADERS_SCHEMA, json_schemas
from schemas.policy import POLICY_SCHEMA, Rules
from schemas.review import REASON_MEANINGS

_SECTION = re.compile(r"(<!-- generated: ([a-z -]+) -->\n).*?(<!-- end -->)", re.DOTALL)


def refreshed(text: str) -> str:
    """The page with every generated part as the code has it now. Raises KeyError for a part that is not known."""
    return _SECTION.sub(lambda part: f"{part[1]}{SECTIONS[part[2]]()}\n{part[3]}", text)


def _example(value: BaseModel) -> Callable[[], str]:
    return lambda: f"```json\n{value.model_dump_json(indent=2, by_alias=True)}\n```"


def _lines(*values: BaseModel) -> Callable[[], str]:
    return lambda: "```json\n" + "\n".join(value.model_dump_json(by_alias=True) for value in values) + "\n```"


def _headers() -> str:
    headers = examples.DEAD_LETTER_HEADERS.render()
    return "```\n" + "\n".join(f"{name}: {(value or b'').decode()}" for name, value in headers) + "\n```"


def _meanings(title: str, meanings: Mapping[Any, str]) -> Callable[[], str]:
    rows = [(f"`{reason}`", meaning) for reason, meaning in meanings.items()]
    return lambda: _table((title, "meaning"), rows)


def _rules() -> str:
    rows = [
        (f"`{rule.model_fields['kind'].default}`", f"`{key}`", f"{field.description}")
        for rule in get_args(Rules)
        for key, field in rule.model_fields.items()
        if key != "kind"
    ]
    return _table(("kind", "key", "meaning"), rows)


def _fields(schema_name: str) -> Callable[[], str]:
    def table() -> str:
        schema = json_schemas()[schema_name]
        return _table(("field", "type", "meaning"), list(_rows(schema, schema.get("$defs", {}))))

    return table


def _rows(
    schema: Mapping[str, Any], definitions: Mapping[str, Any], prefix: str = ""
) -> Iterator[tuple[str, str, str]]:
    for name, given in schema["properties"].items():
        field = _resolved(given, definitions)
        yield f"`{prefix}{name}`", _type(field, definitions), given.get("description") or field.get("description", "")
        inner, step = _object_of(field, definitions)
        if inner is not None:
            yield from _rows(inner, definitions, f"{prefix}{name}{step}")


def _resolved(field: Mapping[str, Any], definitions: Mapping[str, Any]) -> Mapping[str, Any]:
    return definitions[field["$ref"].rpartition("/")[2]] if "$ref" in field else field


def _object_of(field: Mapping[str, Any], definitions: Mapping[str, Any]) -> tuple[Mapping[str, Any] | None, str]:
    """The object with fields of its own that a field is, or holds in a list or by names; and the path to its fields."""
    for each in field.get("anyOf", [field]):
        for inside, step in ((each, "."), (each.get("items"), "[]."), (each.get("additionalProperties"), ".*.")):
            candidate = _resolved(inside, definitions) if isinstance(inside, Mapping) else {}
            if "properties" in candidate:
                return candidate, step
    return None, ""


def _type(field: Mapping[str, Any], definitions: Mapping[str, Any]) -> str:
    if "const" in field:
        return f"`{field['const']}`"
    if "anyOf" in field:
        return " or ".join(_type(_resolved(each, definitions), definitions) for each in field["anyOf"])
    if "oneOf" in field:
        return "object"
    if field.get("type") == "array":
        return f"list of {_type(_resolved(field['items'], definitions), definitions)}s"
    if "format" in field:
        return "time"
    return str(field.get("type", "any"))


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


SECTIONS: Final[Mapping[str, Callable[[], str]]] = {
    "example enriched": _example(examples.ENRICHED),
    "example review": _example(examples.REVIEW),
    "example event headers": _example(examples.EVENT_HEADERS),
    "example dead letter": _headers,
    "example classified": _lines(examples.CLASSIFIED, examples.UNCLASSIFIED),
    "example policy": _example(examples.POLICY),
    "example per-label policy": _example(examples.PER_LABEL_POLICY),
    "fields enriched": _fields(ENRICHED_SCHEMA),
    "fields event headers": _fields(EVENT_HEADERS_SCHEMA),
    "fields dead letter": _fields(DEAD_LETTER_HEADERS_SCHEMA),
    "fields policy": _fields(POLICY_SCHEMA),
    "rules": _rules,
    "reasons review": _meanings("reason", REASON_MEANINGS),
    "reasons dead letter": _meanings("reason", DEAD_REASON_MEANINGS),
}


def main(path: Path) -> None:
    """Write the generated parts of a page anew."""
    path.write_text(refreshed(path.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
