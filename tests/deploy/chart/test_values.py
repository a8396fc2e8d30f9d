"""What the chart takes and what it refuses, before anything reaches a cluster."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from scripts.chart_files import CHART, documented, generated
from tests.deploy.rendering import VALUES, Refused, helm, render
from worker import __version__

TEXT = (CHART / "values.yaml").read_text(encoding="utf-8")


@pytest.mark.parametrize("path", generated(), ids=lambda path: path.name)
def test_a_generated_file_is_up_to_date(path: Path) -> None:
    """After a change of the values or of the worker's settings: python -m scripts.chart_files."""
    assert generated()[path] == path.read_text(encoding="utf-8")


def test_the_chart_is_of_the_workers_version() -> None:
    """The version stands in worker/__init__.py; the chart follows."""
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text(encoding="utf-8"))

    assert (__version__, __version__) == (chart["appVersion"], chart["version"])


def test_every_value_says_what_it_is_for() -> None:
    """Each key of values.yaml has a comment of its own, or stands in a block that has one."""
    commented = {value.path for value in documented(TEXT)}

    silent = [path for path in _leaves(yaml.safe_load(TEXT)) if not _said(path, commented)]

    assert silent == []


@pytest.mark.parametrize("file", VALUES, ids=lambda path: path.stem)
def test_lint_is_strict_and_finds_nothing(file: Path) -> None:
    """`helm lint --strict` with each of the example values."""
    assert "0 chart(s) failed" in helm("lint", "--strict", str(CHART), "--values", str(file))


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"replica": 3}, "replica"),
        ({"replicas": "three"}, "replicas"),
        ({"keda": {"lagTreshold": 5}}, "lagTreshold"),
        ({"keda": {"lagThreshold": "5000"}}, "lagThreshold"),
        ({"image": {"digest": "sha256:abc"}}, "digest"),
        ({"podMonitor": {"interval": "often"}}, "interval"),
        ({"config": {"kafka": {"input_topic": "texts"}}}, "input_topic"),
        ({"config": {"kafka": {"input_topics": "texts"}}}, "input_topics"),
        ({"config": {"batch": {"max_messages": 0}}}, "max_messages"),
        ({"config": {"kafka": {"security": {"password": "x"}}}}, "password"),
        ({"config": {"shutdown": {"drain_timeout_s": "25s"}}}, "drain_timeout_s"),
    ],
)
def test_a_typo_or_a_bad_type_is_refused(values: dict[str, Any], named: str) -> None:
    """In the chart's own values and in the worker's configuration; the message names the key."""
    with pytest.raises(Refused, match=named):
        render(values)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"config": {"server": {"port": None}}}, "config.server.port"),
        ({"policy": {"document": "{}", "configMap": "mine"}}, "document or configMap"),
        ({"policy": {"document": "{}"}, "config": {"decision": {"policy": "/p"}}}, "config.decision.policy"),
        ({"secrets": {"sasl": {"name": "s"}}}, "protocol is PLAINTEXT, which has no password"),
        ({"secrets": {"tls": {"name": "s"}}}, "protocol is PLAINTEXT, which has no TLS"),
        (
            {"secrets": {"tls": {"name": "s", "certKey": "c"}}, "config": {"kafka": {"security": {"protocol": "SSL"}}}},
            "certKey and keyKey",
        ),
        (
            {
                "secrets": {"tls": {"name": "s"}},
                "config": {"kafka": {"security": {"protocol": "SSL", "ca_file": "/ca"}}},
            },
            "leave ca_file",
        ),
        ({"keda": {"enabled": True}}, "keda.partitions"),
        ({"keda": {"enabled": True, "partitions": 4, "minReplicas": 5}}, "keda.minReplicas: 5 is more than the 4"),
        ({"keda": {"enabled": True, "partitions": 1}}, "keda.fallback.replicas: 2 is more than the 1"),
    ],
)
def test_values_that_contradict_one_another_are_refused(values: dict[str, Any], said: str) -> None:
    """What a schema cannot say, in one line that says what to change."""
    with pytest.raises(Refused, match=said):
        render(values)


def _leaves(values: Any, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    if not isinstance(values, dict) or not values:
        return [path]
    return [leaf for name, value in values.items() for leaf in _leaves(value, (*path, name))]


def _said(path: tuple[str, ...], commented: set[tuple[str, ...]]) -> bool:
    """A mapping with comments on some of its keys is no block: then each of them needs one."""
    for depth in range(len(path), 0, -1):
        above = path[:depth]
        if above in commented:
            return depth == len(path) or not any(other[:depth] == above and len(other) > depth for other in commented)
    return False
