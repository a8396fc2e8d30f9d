"""What a release is made by: one version everywhere, workflows that nobody can change under us."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from worker import __version__

ROOT = Path(__file__).parents[2]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
PINNED = re.compile(r"[\w.-]+/[\w.-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+")


def test_the_version_stands_in_one_place() -> None:
    """In worker/__init__.py; what must repeat it says the same: image, compose file, chart, docs."""
    dockerfile = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    chart = yaml.safe_load((ROOT / "helm" / "emostream" / "Chart.yaml").read_text(encoding="utf-8"))
    texts = [dockerfile, *(path.read_text(encoding="utf-8") for path in (ROOT / "docs").glob("*.md"))]
    texts += [(ROOT / name).read_text(encoding="utf-8") for name in ("docker-compose.yml", "README.md")]

    assert [__version__] * 2 == re.findall(r"^ARG VERSION=(\S+)$", dockerfile, re.MULTILINE)
    assert (__version__, __version__) == (str(chart["version"]), str(chart["appVersion"]))
    assert {__version__} == {found for text in texts for found in re.findall(r"emostream:(\d+\.\d+\.\d+)", text)}


def test_the_image_is_installed_by_the_uv_of_the_makefile() -> None:
    """So that the image has what the tests had."""
    (uv,) = re.findall(r"^UV_VERSION := (\S+)$", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)

    assert [uv] == re.findall(r"^ARG UV_VERSION=(\S+)$", (ROOT / "Dockerfile").read_text("utf-8"), re.MULTILINE)


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda path: path.stem)
def test_every_action_is_pinned_by_its_hash(file: Path) -> None:
    """With the version beside it, for people and update robots."""
    used = re.findall(r"uses: (.+)$", file.read_text(encoding="utf-8"), re.MULTILINE)

    assert used
    assert [] == [each for each in used if not PINNED.fullmatch(each)]


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda path: path.stem)
def test_no_job_may_do_more_than_it_says(file: Path) -> None:
    """Nothing by default; each job names its own rights and a limit of time, and leaves no credentials in the clone."""
    workflow = yaml.safe_load(file.read_text(encoding="utf-8"))

    assert workflow["permissions"] == {}
    for job in workflow["jobs"].values():
        assert job["permissions"]
        assert job["timeout-minutes"] <= 60
    checkouts = [step for step in _steps(workflow) if step.get("uses", "").startswith("actions/checkout@")]
    assert all(step["with"] == {"persist-credentials": False} for step in checkouts)


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda path: path.stem)
def test_both_workflows_run_what_ci_runs(file: Path) -> None:
    """No release without it."""
    assert ".ci/run" in [step.get("run") for step in _steps(yaml.safe_load(file.read_text(encoding="utf-8")))]


def test_suites_that_ci_names_are_targets() -> None:
    """Each of the matrix is one of the Makefile's."""
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8"))
    targets = re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)

    assert set(workflow["jobs"]["deploy"]["strategy"]["matrix"]["suite"]) <= set(targets)


def _steps(workflow: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for job in workflow["jobs"].values():
        yield from job["steps"]
