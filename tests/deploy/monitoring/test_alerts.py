"""The alert rules: valid, tested one by one, and each with a page to turn to."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

from scripts.chart_files import CHART
from tests.deploy.monitoring.prometheus import promtool

ALERTS = CHART / "files" / "alerts.yaml"
CASES = Path(__file__).with_name("alerts_test.yaml")
NAMES = [rule["alert"] for rule in yaml.safe_load(ALERTS.read_text())["groups"][0]["rules"]]
RUNBOOK = Path(__file__).parents[3] / "docs" / "operating.md"


def test_prometheus_takes_the_rules() -> None:
    """`promtool check rules`."""
    assert f"{len(NAMES)} rules found" in promtool("check", "rules", str(ALERTS))


def test_each_alert_fires_on_what_it_is_for_and_on_nothing_else(tmp_path: Path) -> None:
    """`promtool test rules`; no alert is without a case."""
    cases = tmp_path / "alerts_test.yaml"
    cases.write_text(CASES.read_text().replace("ALERTS", str(ALERTS)))
    fired = {
        test["alertname"]
        for case in yaml.safe_load(cases.read_text())["tests"]
        for test in case["alert_rule_test"]
        if test["exp_alerts"]
    }

    assert "SUCCESS" in promtool("test", "rules", str(cases))
    assert set(NAMES) == fired


def test_each_alert_has_a_runbook_entry() -> None:
    """Under its name, where its annotation points."""
    headings = set(re.findall(r"^### (\w+)$", RUNBOOK.read_text(encoding="utf-8"), re.MULTILINE))

    assert set(NAMES) == headings & set(NAMES)
    for rule in yaml.safe_load(ALERTS.read_text())["groups"][0]["rules"]:
        assert rule["annotations"]["runbook"] == f"docs/operating.md#{rule['alert'].lower()}"


def test_the_compose_files_prometheus_is_configured_well(tmp_path: Path) -> None:
    """`promtool check config`, with the rules where compose mounts them."""
    config = CHART.parents[1] / "compose" / "prometheus.yml"
    (tmp_path / "prometheus.yml").write_text(config.read_text())
    (tmp_path / "alerts.yaml").write_text(ALERTS.read_text())

    assert "SUCCESS" in promtool("check", "config", str(tmp_path / "prometheus.yml"))
