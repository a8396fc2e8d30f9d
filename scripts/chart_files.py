"""Makes the generated files of the Helm chart: `python -m scripts.chart_files`. A test fails when they are stale.

- `values.schema.json`: the chart's own part (helm/chart.schema.yaml) around the worker's JSON Schema
- `files/defaults.yaml`: the worker's defaults, which the templates read where `.Values.config` is silent
- `README.md`: the keys of values.yaml with their `# --` comments
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from worker.config.reference import json_schema
from worker.config.settings import Settings

HELM = Path(__file__).parents[1] / "helm"
CHART = HELM / "emostream"
OWN_SCHEMA = HELM / "chart.schema.yaml"

README = """# emostream

{description}.

```console
$ helm install emostream helm/emostream --set config.kafka.bootstrap_servers=broker:9092
```

From nothing to a scaled worker: [docs/kubernetes.md](../../docs/kubernetes.md). What each alert means, upgrades and
secrets: [docs/operating.md](../../docs/operating.md). Complete examples: [ci/](ci).

`config` is the worker's own YAML, key for key as in [docs/configuration.md](../../docs/configuration.md); a typo in it
is refused by `helm install` itself, because `values.schema.json` holds the worker's JSON Schema.

Made from values.yaml by `python -m scripts.chart_files`; do not edit.

| key | default | what for |
|---|---|---|
{rows}
"""


@dataclass(frozen=True, slots=True)
class Value:
    """A key of values.yaml that bears a `# --` comment."""

    path: tuple[str, ...]
    default: Any
    about: str


def generated() -> Mapping[Path, str]:
    """Every generated file and what it must hold."""
    text = (CHART / "values.yaml").read_text(encoding="utf-8")
    values = list(documented(text))
    description = yaml.safe_load((CHART / "Chart.yaml").read_text(encoding="utf-8"))["description"]
    return {
        CHART / "values.schema.json": json.dumps(_schema(values), indent=2, ensure_ascii=False) + "\n",
        CHART / "files" / "defaults.yaml": _defaults(),
        CHART / "README.md": README.format(description=description, rows="\n".join(map(_row, values))),
    }


def documented(text: str) -> Iterator[Value]:
    """The commented keys of a values file, in its order."""
    values = yaml.safe_load(text)
    path: list[tuple[int, str]] = []
    about: list[str] = []
    for line in text.splitlines():
        comment = re.match(r"\s*# (-- )?(.*)", line)
        if comment and (comment[1] or about):
            about.append(comment[2])
        key = re.match(r"( *)([\w-]+):", line)
        if key is None:
            continue
        path = [*((depth, name) for depth, name in path if depth < len(key[1])), (len(key[1]), key[2])]
        if about:
            names = tuple(name for _, name in path)
            yield Value(names, _at(values, names), " ".join(about))
        about = []


def _at(values: Any, path: tuple[str, ...]) -> Any:
    for name in path:
        values = values[name]
    return values


def _row(value: Value) -> str:
    default = "" if isinstance(value.default, dict) and value.default else f"`{json.dumps(value.default)}`"
    return f"| `{'.'.join(value.path)}` | {default} | {value.about} |"


def _defaults() -> str:
    dumped = Settings().model_dump(mode="json")
    del dumped["kafka"]["security"]["password"]
    head = "# The worker's own defaults, made by `python -m scripts.chart_files`; do not edit.\n"
    return head + yaml.safe_dump(dumped, sort_keys=False)


def _schema(values: list[Value]) -> dict[str, Any]:
    """Draft 7, which Helm's validator knows; the worker's schema uses nothing newer but `$defs`."""
    schema: dict[str, Any] = yaml.safe_load(OWN_SCHEMA.read_text(encoding="utf-8"))
    _close(schema)
    config = json_schema()
    del config["$schema"]
    definitions = {**schema.pop("definitions"), **config.pop("$defs")}
    schema["properties"]["config"] = _moved(config)
    schema["definitions"] = _moved(definitions)
    for value in values:
        _describe(schema, value)
    return {"$schema": "http://json-schema.org/draft-07/schema#", "title": "emostream", **schema}


def _close(schema: dict[str, Any]) -> None:
    """Every object whose keys are named takes no other ones."""
    for child in schema.get("properties", {}).values():
        if "properties" in child:
            child.setdefault("type", "object")
            child.setdefault("additionalProperties", False)
            _close(child)


def _moved(schema: Any) -> Any:
    """The same, with references to `definitions` instead of `$defs`."""
    if isinstance(schema, dict):
        return {key: _moved(value) for key, value in schema.items()}
    if isinstance(schema, list):
        return [_moved(value) for value in schema]
    return schema.replace("#/$defs/", "#/definitions/") if isinstance(schema, str) else schema


def _describe(schema: dict[str, Any], value: Value) -> None:
    for name in value.path:
        schema = schema.get("properties", {}).get(name, {})
    if schema and "$ref" not in schema:  # beside a reference draft 7 ignores it
        schema.setdefault("description", value.about)


if __name__ == "__main__":
    for path, content in generated().items():
        path.write_text(content, encoding="utf-8")
